// SPDX-License-Identifier: MIT
/*
 * calls.c - what pairs.c makes at once: each public call that changes
 * something, and the kernel's that change the same memory.
 *
 * Each knows what it may answer here, where its arguments are good: an error of
 * its contract that only bad arguments explain is a failure.  Not among them:
 * uhmm_rescue(), beside which no other call may run.
 */
#include <fcntl.h>

#include "pairs.h"

/* Often all of it, so that both calls are about the very same range. */
static size_t any_range(struct caller *c, size_t *ret_n)
{
	size_t i = caller_below(c, NPAGES);

	*ret_n = 1 + caller_below(c, NPAGES - i);
	if (caller_below(c, 4))
		return i;
	*ret_n = NPAGES;
	return 0;
}

/* ---- Ranges ------------------------------------------------------------ */

static void do_register(struct caller *c)
{
	size_t n, i = any_range(c, &n);

	EXPECT("uhmm_register", uhmm_register(world.u, at(i), n * PAGE), HOLE,
	       0);
}

static void do_unregister(struct caller *c)
{
	size_t n, i = any_range(c, &n);

	EXPECT("uhmm_unregister", uhmm_unregister(world.u, at(i), n * PAGE),
	       EBUSY, pair_flags & LOSES ? EIO : NONE, 0);
}

static void do_limit(struct caller *c)
{
	uint64_t pages = caller_below(c, 3) ? 4 + caller_below(c, NPAGES) : 0;

	EXPECT("uhmm_set_ram_limit", uhmm_set_ram_limit(world.u, pages * PAGE),
	       0);
}

static void do_set_log(struct caller *c)
{
	(void)c;
	uhmm_set_log(world.u, test_no_log, c);
}

/* ---- Placement --------------------------------------------------------- */

static void migrate(struct caller *c, struct uhmm_device *dev)
{
	size_t n, i = any_range(c, &n);

	EXPECT("uhmm_migrate", uhmm_migrate(world.u, at(i), n * PAGE, dev),
	       HOLE, pair_flags & LOSES ? ENODEV : NONE, 0);
}

/* Taken in and given up, with moves that need the range to be known. */
static void do_take(struct caller *c)
{
	size_t n, i = any_range(c, &n);

	EXPECT("uhmm_unregister", uhmm_unregister(world.u, at(i), n * PAGE),
	       EBUSY, pair_flags & LOSES ? EIO : NONE, 0);
	EXPECT("uhmm_register", uhmm_register(world.u, at(i), n * PAGE), HOLE,
	       0);
	migrate(c, world.dev);
	EXPECT("uhmm_unregister", uhmm_unregister(world.u, at(i), n * PAGE),
	       EBUSY, pair_flags & LOSES ? EIO : NONE, 0);
}

static void do_out(struct caller *c)
{
	migrate(c, world.dev);
}

static void do_out_victim(struct caller *c)
{
	migrate(c, world.victim);
}

static void do_home(struct caller *c)
{
	migrate(c, NULL);
}

static void do_why(struct caller *c)
{
	uint8_t why[NPAGES];
	size_t n, i = any_range(c, &n);
	ssize_t is = uhmm_migrate_why(world.u, at(i), n * PAGE, world.dev, why);
	ssize_t ok = 0;

	if (EXPECT("uhmm_migrate_why", is, HOLE, 0) < 0)
		return;
	for (size_t k = 0; k < n; k++)
		ok += why[k] == UHMM_WHY_OK;
	CHECK_EQ(is, ok);
}

void take_completions(void)
{
	struct uhmm_completion done[4] = { { .size = sizeof(*done) } };
	long n = EXPECT("uhmm_complete", uhmm_complete(world.u, done, 4), 0);

	for (long k = 0; k < n; k++)
		EXPECT("uhmm_migrate_start", (long)done[k].result, HOLE, 0);
	atomic_fetch_add(&world.completed, (unsigned)n);
}

static void do_start(struct caller *c)
{
	size_t n, i = any_range(c, &n);
	long ret = EXPECT(
		"uhmm_migrate_start",
		uhmm_migrate_start(world.u, at(i), n * PAGE,
				   caller_below(c, 2) ? world.dev : NULL, i),
		EAGAIN, HOLE, 0);

	world.started += ret == 0;
	take_completions();
}

static void do_complete(struct caller *c)
{
	(void)c;
	take_completions();
}

/* Pages that were mapped anew are managed, and not pinned, maybe. */
static void do_pin(struct caller *c)
{
	size_t n, i = any_range(c, &n);
	int gone = pair_flags & CHANGES ? EINVAL : NONE;

	if (EXPECT("uhmm_pin", uhmm_pin(world.u, at(i), n * PAGE), HOLE,
		   pair_flags & LOSES ? EIO : NONE, 0))
		return;
	EXPECT("uhmm_unpin", uhmm_unpin(world.u, at(i), n * PAGE), gone, 0);
}

static void do_fault_in(struct caller *c)
{
	size_t n, i = any_range(c, &n);

	EXPECT("uhmm_fault_in",
	       uhmm_fault_in(world.u, at(i) + 5, n * PAGE - 5,
			     caller_below(c, 2)),
	       pair_flags & (LOSES | CHANGES) ? EFAULT : NONE, 0);
}

static void do_advise(struct caller *c)
{
	size_t n, i = any_range(c, &n);

	EXPECT("uhmm_advise",
	       uhmm_advise(world.u, at(i), n * PAGE,
			   (enum uhmm_advice)caller_below(c, 6)),
	       0);
}

static void do_prefer(struct caller *c)
{
	size_t n, i = any_range(c, &n);

	EXPECT("uhmm_prefer", uhmm_prefer(world.u, at(i), n * PAGE, world.dev),
	       HOLE, 0);
}

/* New memory is zeroes, keeps what is written, and is given back. */
static void do_alloc(struct caller *c)
{
	size_t n = 1 + caller_below(c, 2 * NPAGES), k = caller_below(c, n);
	uint64_t word;
	void *p;

	EXPECT("uhmm_alloc",
	       uhmm_alloc(world.u, n * PAGE,
			  caller_below(c, 4) ? world.dev : NULL, &p),
	       0);
	if (get_word((char *)p + k * PAGE, &word))
		CHECK_EQ(word, 0);
	if (add_word((char *)p + k * PAGE) &&
	    get_word((char *)p + k * PAGE, &word))
		CHECK_EQ(word, 1);
	EXPECT("uhmm_free", uhmm_free(world.u, p, n * PAGE), 0);
}

/* ---- Groups ------------------------------------------------------------ */

static void do_charge(struct caller *c)
{
	size_t n, i = any_range(c, &n);

	EXPECT("uhmm_charge",
	       uhmm_charge(world.u, at(i), n * PAGE,
			   caller_below(c, 2) ? world.group : NULL),
	       HOLE, 0);
}

static void do_group(struct caller *c)
{
	size_t n, i = any_range(c, &n);
	struct uhmm_group *g;

	EXPECT("uhmm_group_create",
	       uhmm_group_create(world.u,
				 caller_below(c, 2) ? world.group : NULL, "own",
				 &g),
	       0);
	EXPECT("uhmm_charge", uhmm_charge(world.u, at(i), n * PAGE, g), HOLE,
	       0);
	EXPECT("uhmm_group_set_limit", uhmm_group_set_limit(g, NULL, 8 * PAGE),
	       0);
	EXPECT("uhmm_charge",
	       uhmm_charge(world.u, world.area, NPAGES * PAGE, NULL), HOLE, 0);
	EXPECT("uhmm_group_destroy", uhmm_group_destroy(g), EBUSY, 0);
}

static void do_group_limit(struct caller *c)
{
	uint64_t pages = caller_below(c, 3) ? 4 + caller_below(c, NPAGES) : 0;

	EXPECT("uhmm_group_set_limit",
	       uhmm_group_set_limit(world.group,
				    caller_below(c, 2) ? world.dev : NULL,
				    pages * PAGE),
	       0);
}

/* ---- Devices ----------------------------------------------------------- */

static const char *any_spec(struct caller *c)
{
	return caller_below(c, 2) && world.is_placed ? "dax:128K" : "ram:128K";
}

static void do_device(struct caller *c)
{
	struct uhmm_device *dev;

	EXPECT("uhmm_device_open", uhmm_device_open(world.u, any_spec(c), &dev),
	       0);
	migrate(c, dev);
	EXPECT("uhmm_device_remove", uhmm_device_remove(dev), EBUSY, 0);
}

static void do_tier(struct caller *c)
{
	EXPECT("uhmm_device_tier",
	       uhmm_device_tier(world.dev, caller_below(c, 2)), 0);
}

static void do_lost_own(struct caller *c)
{
	struct uhmm_device *dev;

	EXPECT("uhmm_device_open", uhmm_device_open(world.u, any_spec(c), &dev),
	       0);
	migrate(c, dev);
	EXPECT("uhmm_device_lost", uhmm_device_lost(dev), 0);
	EXPECT("uhmm_device_remove", uhmm_device_remove(dev), EBUSY, 0);
}

static void do_lost(struct caller *c)
{
	migrate(c, world.victim);
	EXPECT("uhmm_device_lost", uhmm_device_lost(world.victim), 0);
}

static void do_failed(struct caller *c)
{
	uint64_t dpfn = caller_below(c, 120);

	migrate(c, world.victim);
	EXPECT("uhmm_device_failed",
	       uhmm_device_failed(world.victim, dpfn, 1 + caller_below(c, 4)),
	       ENODEV, 0);
}

static void do_accessed(struct caller *c)
{
	size_t n, i = any_range(c, &n);

	EXPECT("uhmm_device_accessed",
	       uhmm_device_accessed(world.dev, at(i), n * PAGE, 100), 0);
}

/* Each thread tells of pages of its own. */
static void do_device_map(struct caller *c)
{
	void *p = mmap(NULL, RUN * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       world.fd, (off_t)(c->nr * RUN * PAGE));

	CHECK(p != MAP_FAILED);
	EXPECT("uhmm_device_map",
	       uhmm_device_map(world.fixed, p, RUN * PAGE, c->nr * RUN), 0);
	CHECK(add_word(p));
	EXPECT("uhmm_device_unmap",
	       uhmm_device_unmap(world.fixed, p, RUN * PAGE), 0);
	CHECK_EQ(munmap(p, RUN * PAGE), 0);
}

static void do_context(struct caller *c)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .flags = UHMM_OPEN_STAT };
	struct uhmm *u;

	if (caller_below(c, 4)) /* it takes long */
		return;
	if (test_mode_is("inline"))
		params.fault_mode = UHMM_FAULTS_INLINE;
	if (EXPECT("uhmm_open", uhmm_open(&params, &u), 0))
		return;
	uhmm_set_log(u, test_no_log, NULL);
	EXPECT("uhmm_close", uhmm_close(u), 0);
}

static void do_descriptor(struct caller *c)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)c;
	CHECK(fd >= 0);
	fd = uhmm_fd_keep(fd);
	CHECK(uhmm_fd_next(fd) == fd);
	CHECK(uhmm_fd_usable(fd));
	uhmm_fd_close(fd);
}

static void do_module(struct caller *c)
{
	char why[128];

	(void)c;
	EXPECT("uhmm_module_load",
	       uhmm_module_load("no-such-module", why, sizeof(why)), ENOENT, 0);
}

/* ---- Mirrors ----------------------------------------------------------- */

/* Exclusive access is refused where pages are pinned or shared. */
static void mirror_fault(struct caller *c, struct uhmm_mirror *m,
			 unsigned flags)
{
	size_t n, i = any_range(c, &n);

	EXPECT("uhmm_mirror_fault",
	       uhmm_mirror_fault(m, at(i), n * PAGE, flags),
	       flags & UHMM_FAULT_EXCLUSIVE ? EBUSY : NONE,
	       pair_flags & (LOSES | CHANGES) ? EFAULT : NONE,
	       pair_flags & CHANGES ? EPERM : NONE, HOLE, 0);
}

static void do_mirror(struct caller *c)
{
	struct uhmm_mirror *m;

	EXPECT("uhmm_mirror_add",
	       uhmm_mirror_add(world.u, world.area, NPAGES * PAGE, world.dev,
			       &test_table_ops, &world.table, &m),
	       0);
	mirror_fault(c, m, 0);
	EXPECT("uhmm_mirror_remove", uhmm_mirror_remove(m), 0);
}

static void do_fault_read(struct caller *c)
{
	mirror_fault(c, world.table.mirror, 0);
}

static void do_fault_write(struct caller *c)
{
	mirror_fault(c, world.table.mirror, UHMM_FAULT_WRITE);
}

static void do_fault_exclusive(struct caller *c)
{
	mirror_fault(c, world.table.mirror, UHMM_FAULT_EXCLUSIVE);
}

static void do_notify(struct caller *c)
{
	size_t n, i = any_range(c, &n);

	EXPECT("uhmm_notify_begin",
	       uhmm_notify_begin(world.u, at(i), n * PAGE, UHMM_NOTIFY_PROTECT),
	       0);
	EXPECT("uhmm_notify_end", uhmm_notify_end(world.u, at(i), n * PAGE), 0);
}

const struct call calls[] = {
	{ "register", do_register, 0 },
	{ "unregister", do_unregister, 0 },
	{ "take", do_take, 0 },
	{ "ram-limit", do_limit, 0 },
	{ "log", do_set_log, 0 },
	{ "out", do_out, 0 },
	{ "out-victim", do_out_victim, 0 },
	{ "home", do_home, 0 },
	{ "why", do_why, 0 },
	{ "start", do_start, 0 },
	{ "complete", do_complete, 0 },
	{ "pin", do_pin, 0 },
	{ "fault-in", do_fault_in, 0 },
	{ "advise", do_advise, 0 },
	{ "prefer", do_prefer, 0 },
	{ "alloc", do_alloc, 0 },
	{ "charge", do_charge, 0 },
	{ "group", do_group, 0 },
	{ "group-limit", do_group_limit, 0 },
	{ "device", do_device, 0 },
	{ "tier", do_tier, 0 },
	{ "lost-own", do_lost_own, LOSES },
	{ "lost", do_lost, LOSES },
	{ "failed", do_failed, LOSES },
	{ "accessed", do_accessed, 0 },
	{ "device-map", do_device_map, 0 },
	{ "context", do_context, 0 },
	{ "descriptor", do_descriptor, 0 },
	{ "module", do_module, 0 },
	{ "mirror", do_mirror, 0 },
	{ "fault-read", do_fault_read, 0 },
	{ "fault-write", do_fault_write, 0 },
	{ "fault-exclusive", do_fault_exclusive, 0 },
	{ "notify", do_notify, 0 },
	{ "object-move", call_object_move, 0 },
	{ "object-discard", call_object_discard, 0 },
	{ "object-view", call_object_view, 0 },
	{ "object-own", call_object_own, 0 },
	{ "object-adopt", call_object_adopt, 0 },
	{ "budget", call_budget, 0 },
	{ "look", call_look, 0 },
	{ "map-over", kernel_map_over, CHANGES },
	{ "discard", kernel_discard, CHANGES },
	{ "remap", kernel_remap, CHANGES },
	{ "protect", kernel_protect, CHANGES },
	{ "fork", kernel_fork, 0 },
};
const size_t nr_calls = sizeof(calls) / sizeof(*calls);
