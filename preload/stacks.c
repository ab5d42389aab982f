// SPDX-License-Identifier: MIT
/*
 * Stacks of threads, and of their signal handlers.
 *
 * Each thread has a signal stack: ours where the program has set none.  When a
 * thread's stack has overflown, or is away in inline mode, a handler can run
 * nowhere else.  The program does not see our stack.
 *
 * Where the kernel's faults are not served, the kernel must find a page in RAM
 * when it writes a signal frame there.  So signal stacks that the program has
 * put into managed memory are pinned once the context is open.  The stacks of
 * threads are pinned as well: the kernel writes to their last pages at any
 * time.
 *
 * In inline mode a fault of the program is served on the signal stack, which
 * needs room for that.  If the program's signal stack is too small ours takes
 * its place, and the program is told that its own is set.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "preload.h"
#include "real.h"
#include "signals.h"

#define SIZE	   ((size_t)256 << 10)
#define ENOUGH	   ((size_t)128 << 10) /* to serve a fault and run a handler */
#define END	   ((size_t)64 << 10)  /* a stack's end, with libc's data */
#define MAX_STACKS 1024
#define MOST	   ((size_t)64 << 20) /* taken where RLIMIT_STACK is larger */

FIND(sigaltstack);
static pthread_key_t key;
static bool has_key;

/* The program's stacks to pin when the context is opened. */
static struct {
	_Atomic bool used;
	_Atomic uintptr_t start, end;
} stacks[MAX_STACKS];

/*
 * Entries from this index on were never used: a forked child leaves their pages
 * untouched.
 */
static _Atomic unsigned nr_stacks;

static int set_our_stack(int flags, stack_t *was)
{
	stack_t ss = {
		.ss_sp = thread.stack,
		.ss_size = SIZE,
		.ss_flags = flags,
	};

	return REAL(sigaltstack)(&ss, was);
}

static bool is_our_stack(const stack_t *ss)
{
	return !(ss->ss_flags & SS_DISABLE) && ss->ss_sp == thread.stack;
}

/* ---- The program's own -------------------------------------------------- */

static void forget_stack(unsigned nr)
{
	if (!nr--)
		return;
	manage_pin(atomic_load(&stacks[nr].start), atomic_load(&stacks[nr].end),
		   false);
	atomic_store(&stacks[nr].end, 0);
	atomic_store(&stacks[nr].used, false);
}

static void raise_to(unsigned nr)
{
	unsigned was = atomic_load(&nr_stacks);

	while (was < nr && !atomic_compare_exchange_weak(&nr_stacks, &was, nr))
		;
}

/* Return: the index + 1; 0: the table is full. */
static unsigned remember(const void *addr, size_t len)
{
	uintptr_t start = page_down((uintptr_t)addr);
	uintptr_t end = page_up((uintptr_t)addr + len);

	for (unsigned i = 0; i < MAX_STACKS; i++) {
		if (atomic_exchange(&stacks[i].used, true))
			continue;
		atomic_store(&stacks[i].start, start);
		atomic_store(&stacks[i].end, end);
		raise_to(i + 1);
		/* A pin populates nothing: have the CPU touch each page. */
		if (!manage_pin(start, end, true))
			maps_touch((struct range){ start, end });
		return i + 1;
	}
	return 0;
}

void stacks_forked(void)
{
	for (unsigned i = 0; i < atomic_load(&nr_stacks); i++) {
		if (i + 1 == thread.stack_nr)
			continue;
		atomic_store(&stacks[i].end, 0);
		atomic_store(&stacks[i].used, false);
	}
}

static bool is_known(const void *addr, size_t len, unsigned *ret)
{
	for (unsigned i = 0; i < atomic_load(&nr_stacks); i++) {
		if (atomic_load(&stacks[i].start) != (uintptr_t)addr ||
		    atomic_load(&stacks[i].end) != (uintptr_t)addr + len)
			continue;
		*ret = i + 1;
		return true;
	}
	return false;
}

/* Does the kernel wait for a page that it writes a signal's frame to? */
static bool kernel_waits(void)
{
	return settings.mode != UHMM_FAULTS_INLINE && !settings.calls;
}

/*
 * When a thread ends, the kernel writes to the end of its stack, where the C
 * library keeps the thread's descriptor, and waits for no page.  The program
 * may use the stack again, so the stack stays pinned until it is unmapped.
 */
void stacks_hold(const pthread_attr_t *attr)
{
	unsigned nr;
	size_t len;
	char *addr;

	if (!attr || pthread_attr_getstack(attr, (void **)&addr, &len) ||
	    !addr || (uintptr_t)addr + len < len || !((uintptr_t)addr + len))
		return;
	if (kernel_waits() && len > END) {
		addr += len - END;
		len = END;
	}
	if (is_known(addr, len, &nr))
		forget_stack(nr);
	remember(addr, len);
}

static void for_each(void (*fn)(uintptr_t start, uintptr_t end))
{
	for (unsigned i = 0; i < atomic_load(&nr_stacks); i++) {
		uintptr_t end = atomic_load(&stacks[i].end);

		if (end)
			fn(atomic_load(&stacks[i].start), end);
	}
}

/* The program may have unmapped the stack since: touch what is mapped. */
static void touch_stack(uintptr_t start, uintptr_t end)
{
	maps_touch((struct range){ start, end });
}

void stacks_touch(void)
{
	for_each(touch_stack);
}

void stacks_pin(void (*pin)(uintptr_t start, uintptr_t end))
{
	for_each(pin);
}

/* ---- Threads ------------------------------------------------------------ */

extern void *__libc_stack_end;

/* How far the stack of the first thread may grow. */
static size_t first_size(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_STACK, &l) || l.rlim_cur > MOST)
		return MOST;
	return (size_t)l.rlim_cur;
}

static void leave(void *stack)
{
	stack_t none = { .ss_flags = SS_DISABLE };

	calls_ended();
	forget_stack(thread.stack_nr);
	REAL(sigaltstack)(&none, NULL);
	thread.stack = NULL;
	sys_munmap(stack, SIZE);
}

void stacks_enter(const void *top, size_t size)
{
	stack_t has;

	thread.own = (struct range){ (uintptr_t)top - size, (uintptr_t)top };
	if (!has_key || REAL(sigaltstack)(NULL, &has) ||
	    !(has.ss_flags & SS_DISABLE))
		return;
	thread.stack = own_alloc(SIZE);
	if (!thread.stack)
		return;
	if (pthread_setspecific(key, thread.stack)) {
		sys_munmap(thread.stack, SIZE);
		thread.stack = NULL;
		return;
	}
	set_our_stack(0, NULL);
}

void stacks_init(void)
{
	if (!manage_is_on())
		return;
	has_key = !pthread_key_create(&key, leave);
	stacks_enter(__libc_stack_end, first_size());
}

size_t stacks_size(const pthread_attr_t *attr)
{
	pthread_attr_t now;
	size_t size = 0;

	if (attr) {
		pthread_attr_getstacksize(attr, &size);
	} else if (!pthread_getattr_default_np(&now)) {
		pthread_attr_getstacksize(&now, &size);
		pthread_attr_destroy(&now);
	}
	return size;
}

/* ---- What was left by a jump -------------------------------------------- */

static bool has(const struct range *r, uintptr_t addr)
{
	return addr >= r->start && addr < r->end;
}

static struct range of_handlers(int *flags)
{
	stack_t ss;

	if (REAL(sigaltstack)(NULL, &ss) || ss.ss_flags & SS_DISABLE)
		return (struct range){ 0, 0 };
	*flags = ss.ss_flags;
	return (struct range){ (uintptr_t)ss.ss_sp,
			       (uintptr_t)ss.ss_sp + ss.ss_size };
}

/*
 * A stack grows down, so a frame below the stack pointer was left.  The signal
 * stack is empty while no handler runs on it.  Stacks that the program made
 * itself, for coroutines say, are not known here.
 */
enum stacks_left stacks_left(uintptr_t addr, uintptr_t now)
{
	int flags = 0;
	struct range handlers = of_handlers(&flags);

	if (has(&handlers, addr))
		return !(flags & SS_ONSTACK) || addr <= now ? STACKS_LEFT :
							      STACKS_LIVE;
	if (!has(&thread.own, addr) || flags & SS_ONSTACK)
		return has(&thread.own, addr) ? STACKS_LIVE : STACKS_UNKNOWN;
	if (!has(&thread.own, now))
		return STACKS_LIVE;
	return addr <= now ? STACKS_LEFT : STACKS_LIVE;
}

/* A stack below the kernel's minimum is left to the kernel to refuse. */
static bool is_too_small(const stack_t *ss)
{
	return settings.mode == UHMM_FAULTS_INLINE && ss->ss_size < ENOUGH &&
	       ss->ss_size >= (size_t)sysconf(_SC_MINSIGSTKSZ);
}

/* @ss for the program: ours is shown as @small, or as none. */
static stack_t seen(const stack_t *ss, const stack_t *small)
{
	stack_t ret = *ss;

	if (!is_our_stack(ss))
		return ret;
	if (!small->ss_size)
		return (stack_t){ .ss_flags = SS_DISABLE };
	ret.ss_sp = small->ss_sp;
	ret.ss_size = small->ss_size;
	return ret;
}

/* The new stack is pinned before the kernel may use it. */
static int change_stack(const stack_t *ss, stack_t *was)
{
	bool none = ss->ss_flags & SS_DISABLE;
	bool ours = !none && is_too_small(ss);
	bool away = !none && !ours && !kernel_waits();
	unsigned nr = away ? remember(ss->ss_sp, ss->ss_size) : 0;
	int err = ours ? set_our_stack(ss->ss_flags, was) :
			 REAL(sigaltstack)(ss, was);

	if (err) {
		forget_stack(nr);
		return err;
	}
	forget_stack(thread.stack_nr);
	thread.stack_nr = nr;
	thread.small = ours ? *ss : (stack_t){ 0 };
	if (none)
		set_our_stack(0, NULL);
	return 0;
}

EXPORT int sigaltstack(const stack_t *ss, stack_t *ret)
{
	stack_t given, was, small = thread.small;
	int err;

	if (!thread.stack)
		return REAL(sigaltstack)(ss, ret);
	/* In inline mode the page of @ss may be away. */
	if (ss)
		given = *ss;
	err = ss ? change_stack(&given, &was) : REAL(sigaltstack)(NULL, &was);
	if (!err && ret)
		*ret = seen(&was, &small);
	return err;
}
