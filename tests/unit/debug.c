// SPDX-License-Identifier: MIT
/*
 * Each check of -Ddebug_checks=true ends the process, with a sentence that says
 * what was wrong; what is right passes.
 */
#include <signal.h>
#include <sys/wait.h>

#include "world.h"

#if DEBUG_CHECKS

static struct sys_mutex gate, mover, block, leaf;
static struct block *looked_at;
static uint64_t before;

static void take(struct sys_mutex *first, struct sys_mutex *second)
{
	sys_mutex_lock(first);
	sys_mutex_lock(second);
}

static void wrong_order(void)
{
	take(&leaf, &mover);
}

static void twice(void)
{
	take(&gate, &gate);
}

static void same_rank(void)
{
	static struct sys_mutex other;

	sys_mutex_set_rank(&other, RANK_BLOCK);
	take(&block, &other);
}

static void not_held(void)
{
	sys_mutex_unlock(&mover);
}

static void callback_locked(void) NOT_GUARDED
{
	struct world w = world_open(NULL);

	block_lock(block_get(w.u, FAKE_BASE));
	callback_enter();
}

static struct block *with_table(struct world *w) NOT_GUARDED
{
	struct block *b;

	*w = world_open(NULL);
	b = block_get(w->u, FAKE_BASE);
	block_lock(b);
	CHECK_EQ(block_ensure_table(w->u, b), 0);
	return b;
}

/* The word stays as it is, and with it the way to the page's data. */
static void look_again(int sig)
{
	static const char kept[] = "the word is as it was";

	if (block_word(looked_at, 3) == before &&
	    write(STDERR_FILENO, kept, sizeof(kept) - 1) < 0)
		_exit(EXIT_FAILURE);
}

static void illegal(void)
{
	struct world w;

	looked_at = with_table(&w);
	block_home(w.u, looked_at, 3, E_HOME);
	before = block_word(looked_at, 3);
	signal(SIGABRT, look_again);
	block_event(w.u, looked_at, 3, E_FETCH);
}

static void miscounted(void) NOT_GUARDED
{
	struct world w;
	struct block *b = with_table(&w);

	b->table[3] = P_EMPTY;
	block_unlock(w.u, b);
}

static void no_slot(void) NOT_GUARDED
{
	struct world w;
	struct block *b = with_table(&w);

	block_event(w.u, b, 3, E_PARK);
	block_unlock(w.u, b);
}

static void slot_twice(void)
{
	struct world w = world_open(NULL);
	struct mm_set want;
	uint32_t slot;

	set_clear(&want);
	slot = slot_get(w.u, &want);
	slot_put(w.u, slot);
	slot_put(w.u, slot);
}

static void page_twice(void)
{
	struct pagemap pm = { .npages = 0 };
	uint64_t dpfn;

	CHECK_EQ(pagemap_init(&pm, 64), 0);
	CHECK_EQ(pagemap_alloc(&pm, 1, &dpfn), 1);
	pagemap_free(&pm, dpfn, 1);
	pagemap_free(&pm, dpfn, 1);
}

static void right(void)
{
	static struct sys_mutex second;

	sys_mutex_set_rank(&second, RANK_BLOCK);
	take(&gate, &mover);
	sys_mutex_lock(&block);
	sys_mutex_lock_second(&second);
	sys_mutex_lock(&leaf);
	sys_mutex_unlock(&mover);
	sys_mutex_unlock(&leaf);
	CHECK(sys_mutex_trylock(&mover));
	sys_mutex_unlock(&second);
	sys_mutex_unlock(&block);
	sys_mutex_reset(&mover);
	sys_mutex_unlock(&gate);
	debug_holds_none(RANK_NONE, RANK_DEVICE, "the end");
	exit(0);
}

/* Returns the message of @fn; it is empty when the process ended by itself. */
static const char *last_words(void (*fn)(void))
{
	static char text[1024];
	int fds[2], status;
	ssize_t n, len = 0;
	pid_t pid;

	CHECK_EQ(pipe(fds), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		dup2(fds[1], STDERR_FILENO);
		fn();
		_exit(3);
	}
	close(fds[1]);
	while ((n = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	text[len] = '\0';
	close(fds[0]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(len ? WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT :
		    status == 0);
	return text;
}

static void says(void (*fn)(void), const char *what)
{
	const char *text = last_words(fn);

	if (strstr(text, what))
		return;
	fprintf(stderr, "\"%s\" lacks \"%s\"\n", text, what);
	test_fail();
}

int main(void)
{
	sys_mutex_set_rank(&gate, RANK_GATE);
	sys_mutex_set_rank(&mover, RANK_MOVER);
	sys_mutex_set_rank(&block, RANK_BLOCK);
	sys_mutex_set_rank(&leaf, RANK_LEAF);
	CHECK_STR(last_words(right), "");
	says(wrong_order, "a mover lock is taken under a leaf lock");
	says(twice, "the gate is taken twice");
	says(same_rank, "a block's lock is taken under a block's lock");
	says(not_held, "lets a lock go that it does not hold");
	says(callback_locked, "callback under a block's lock");
	says(illegal, "fetch in state ram");
	says(illegal, "the word is as it was");
	says(miscounted, "counts 0 pages as empty, its table has 1");
	says(no_slot, "pages in frames, and no slot");
	says(slot_twice, "is given back twice");
	says(page_twice, "is free already");
	return 0;
}

#else

int main(void)
{
	printf("skipped: built without -Ddebug_checks=true\n");
	return TEST_SKIPPED;
}

#endif
