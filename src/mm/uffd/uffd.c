/* SPDX-License-Identifier: MIT */
/* uffd.c - open and close the userfaultfd backend; see uffd.h */
#include "mm/uffd/uffd.h"

#include <errno.h>
#include <uhmm/uhmm.h>

#include "mm/uffd/object.h"
#include "mm/uffd/object_ops.h"
#include "sys/cpu.h"
#include "sys/fds.h"
#include "sys/text.h"

static void free_all(struct uffd *b)
{
	/* Unregisters all and wakes all threads that wait. */
	sys_close(b->u);
	uffd_objects_close(b);
	sys_close(b->s);
	sys_close(b->stop_fd);
	sys_close(b->pagemap);
	sys_close(b->maps);
	uffd_slots_close(b);
	uffd_ranges_close(b);
	if (b->scratch)
		sys_own_unmap(b->scratch, b->scratch_len);
	uffd_fences_close(b);
	sys_free(b->huge_hints, UFFD_HUGE_HINTS * sizeof(*b->huge_hints));
	sys_free(b, sizeof(*b));
}

static void uffd_close(struct mm *mm)
{
	struct uffd *b = to_uffd(mm);

	if (!atomic_load(&b->dead)) {
		uffd_keeper_stop(b);
		uffd_threads_stop(b);
	}
	if (mm->is_inline)
		uffd_inline_close(b);
	free_all(b);
}

/* No thread of ours lives here, and no range is registered. */
static void uffd_child(struct mm *mm)
{
	struct uffd *b = to_uffd(mm);
	int *fds[] = { &b->u, &b->s, &b->stop_fd, &b->pagemap, &b->maps };

	atomic_store(&b->dead, true);
	if (mm->is_inline)
		uffd_inline_child(b);
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		sys_close(*fds[i]);
		*fds[i] = -1;
	}
	uffd_objects_close(b);
	b->nr_threads = 0;
	b->keeper.running = false;
	/*
	 * Slots are not mapped in a child, so they are not the library's own
	 * memory there.
	 */
	sys_own_unmap(b->slots, b->nr_slots * MM_BLOCK_SIZE);
	b->slots = 0;
}

static uint32_t stamp_at(struct mm *mm, uintptr_t va)
{
	return uffd_stamp_all(to_uffd(mm), va);
}

static const struct mm_ops ops = {
	.close = uffd_close,
	.child = uffd_child,
	.fork_begin = uffd_fork_begin,
	.fork_end = uffd_fork_end,
	.fork_take = uffd_fork_take,
	.fork_guard = uffd_fork_guard,
	.fork_hide = object_fork_hide,
	.sync = uffd_sync,
	.is_still = uffd_is_still,
	.survey = uffd_survey,
	.mapping = uffd_mapping,
	.track = uffd_track,
	.untrack = uffd_untrack,
	.resident = object_resident,
	.resident_now = object_resident_now,
	.look = object_look,
	.populate = uffd_populate,
	.freeze = object_freeze,
	.stash = uffd_stash,
	.protect = uffd_protect_pages,
	.unprotect = object_unprotect,
	.unshare = object_unshare,
	.fill = object_fill,
	.fill_shared = uffd_fill_shared,
	.give = object_give,
	.zero = object_zero,
	.stamp = stamp_at,
	.place = object_place,
	.unplace = uffd_unplace,
	.place_sync = uffd_place_sync,
	.can_place = uffd_can_place,
	.is_placed = uffd_is_placed,
	.resume = uffd_resume,
	.poison = object_poison,
	.wake = object_wake,
	.avoid = uffd_avoid,
	.isolate = uffd_isolate,
	.site_look = object_site_look,
	.site_move = object_site_move,
	.kmod = &uffd_kmod_ops,
	.object_create = uffd_object_create,
	.object_destroy = uffd_object_destroy,
	.object_adopt = uffd_object_adopt,
	.object_enter = uffd_object_enter,
	.object_show = uffd_object_show,
	.object_alone = uffd_object_alone,
	.object_mapped = uffd_object_mapped,
	.object_map = uffd_object_map,
	.object_punch = uffd_object_punch,
	.object_find = uffd_object_find,
	.is_object = uffd_is_object,
	.slots = uffd_slots,
	.enlarge = uffd_enlarge,
	.drop = uffd_drop,
	.relieve = uffd_relieve,
	.features = uffd_list_features,
};

static struct uffd *alloc_uffd(const struct mm_params *params)
{
	struct uffd *b = sys_alloc(sizeof(*b));

	if (!b)
		return NULL;
	b->mm.ops = &ops;
	b->mm.client = params->client;
	sys_mutex_set_rank(&b->keeper.lock, RANK_KEEPER);
	sys_mutex_set_rank(&b->event_lock, RANK_EVENT);
	b->u = b->s = b->stop_fd = -1;
	b->pagemap = b->maps = -1;
	b->fork[0] = b->fork[1] = -1;
	b->huge_hints = sys_alloc(UFFD_HUGE_HINTS * sizeof(*b->huge_hints));
	if (!b->huge_hints) {
		sys_free(b, sizeof(*b));
		return NULL;
	}
	return b;
}

/* Of the process.  0: not known, and then the kernel says when it is enough. */
static size_t max_mappings(void)
{
	char text[32];

	sys_text_read("/proc/sys/vm/max_map_count", text, sizeof(text));
	return sys_text_number(text, 10);
}

static unsigned how_many_threads(const struct uffd *b,
				 const struct mm_params *params)
{
	if (b->mm.is_inline)
		return 1;
	return params->nr_threads ? params->nr_threads :
				    (unsigned)sys_nr_cpus();
}

int mm_uffd_open(const struct mm_params *params, struct mm **ret_mm)
{
	struct uffd *b;
	int ret;

	if (params->fault_mode > UHMM_FAULTS_INLINE)
		return -EINVAL;
	if (!sys_page_size_fits())
		return -EOPNOTSUPP;
	b = alloc_uffd(params);
	if (!b)
		return -ENOMEM;
	ret = uffd_probe(b, params);
	if (!ret)
		ret = uffd_ranges_open(b);
	if (!ret) {
		b->stop_fd = sys_fd_keep(sys_eventfd(), SYS_FD_FAR);
		ret = b->stop_fd < 0 ? b->stop_fd : 0;
	}
	if (!ret && b->mm.is_inline)
		ret = uffd_inline_open(b);
	if (ret)
		goto err_free;
	ret = uffd_keeper_start(b);
	if (!ret)
		ret = uffd_threads_start(b, how_many_threads(b, params));
	if (ret)
		goto err_keeper;
	b->mm.max_mappings = max_mappings();
	b->mm.threads_first = b->mm.is_inline;
	*ret_mm = &b->mm;
	return 0;

err_keeper:
	uffd_keeper_stop(b);
	if (b->mm.is_inline)
		uffd_inline_close(b);
err_free:
	free_all(b);
	return ret;
}
