/* SPDX-License-Identifier: MIT */
/* api.c - the public calls: arguments checked, then a request. */
#include <errno.h>

#include <uhmm/advise.h>
#include <uhmm/alloc.h>

#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/device/device.h"
#include "core/page/region.h"

int uhmm_open(const struct uhmm_params *params, struct uhmm **ret_u)
{
	return core_open(params, mm_uffd_open, ret_u);
}

size_t uhmm_page_size(void)
{
	return MM_PAGE_SIZE;
}

void uhmm_set_log(struct uhmm *u, uhmm_log_fn *fn, void *arg)
{
	if (!u)
		return;
	sys_log_set(&u->log, fn, arg);
}

static int64_t run_range(struct uhmm *u, const void *addr, size_t len,
			 struct request *req)
{
	int err = range_check(u, addr, len);

	if (err)
		return err;
	req->addr = (uintptr_t)addr;
	req->len = len;
	return request_run(u, req);
}

int uhmm_register(struct uhmm *u, void *addr, size_t len)
{
	struct request req = { .op = REQ_REGISTER };

	return (int)run_range(u, addr, len, &req);
}

int uhmm_unregister(struct uhmm *u, void *addr, size_t len)
{
	struct request req = { .op = REQ_UNREGISTER };

	return (int)run_range(u, addr, len, &req);
}

int uhmm_pin(struct uhmm *u, void *addr, size_t len)
{
	struct request req = { .op = REQ_PIN };

	return (int)run_range(u, addr, len, &req);
}

int uhmm_unpin(struct uhmm *u, void *addr, size_t len)
{
	struct request req = { .op = REQ_UNPIN };

	return (int)run_range(u, addr, len, &req);
}

/* @addr and @len need not be aligned: the range is widened to whole pages. */
ssize_t uhmm_fault_in(struct uhmm *u, const void *addr, size_t len, bool write)
{
	const uintptr_t mask = MM_PAGE_SIZE - 1;
	uintptr_t start = (uintptr_t)addr & ~mask;
	uintptr_t end = ((uintptr_t)addr + len + mask) & ~mask;
	struct request req = { .op = REQ_FAULT_IN, .flags = write };

	if (!u)
		return -EINVAL;
	if (!len)
		return 0;
	if ((uintptr_t)addr + len < (uintptr_t)addr ||
	    range_check(u, (const void *)start, end - start))
		return -EFAULT;
	return run_range(u, (const void *)start, end - start, &req);
}

int uhmm_snapshot(struct uhmm *u, const void *addr, size_t len,
		  uhmm_pfn_t *ret_pfns)
{
	struct request req = { .op = REQ_SNAPSHOT, .pfns = ret_pfns };

	return ret_pfns ? (int)run_range(u, addr, len, &req) : -EINVAL;
}

static bool is_foreign_device(const struct uhmm *u,
			      const struct uhmm_device *dev)
{
	return dev && dev->u != u;
}

ssize_t uhmm_migrate_why(struct uhmm *u, void *addr, size_t len,
			 struct uhmm_device *dev, uint8_t *ret_why)
{
	struct request req = { .op = REQ_MIGRATE, .dev = dev, .why = ret_why };

	return is_foreign_device(u, dev) ? -EINVAL :
					   run_range(u, addr, len, &req);
}

ssize_t uhmm_migrate(struct uhmm *u, void *addr, size_t len,
		     struct uhmm_device *dev)
{
	return uhmm_migrate_why(u, addr, len, dev, NULL);
}

ssize_t uhmm_prefer(struct uhmm *u, void *addr, size_t len,
		    struct uhmm_device *dev)
{
	struct request req = { .op = REQ_PREFER, .dev = dev };

	return !dev || is_foreign_device(u, dev) ?
		       -EINVAL :
		       run_range(u, addr, len, &req);
}

int uhmm_migrate_start(struct uhmm *u, void *addr, size_t len,
		       struct uhmm_device *dev, uint64_t cookie)
{
	struct request req = { .op = REQ_MIGRATE,
			       .addr = (uintptr_t)addr,
			       .len = len,
			       .dev = dev,
			       .cookie = cookie,
			       .background = true };
	int err = range_check(u, addr, len);

	if (!err && is_foreign_device(u, dev))
		err = -EINVAL;
	return err ? err : request_start(u, &req);
}

/* A hint that cannot be followed is no error. */
static int hint_result(int64_t err)
{
	return err == -EAGAIN || err == -ENOMEM ? 0 : (int)err;
}

int uhmm_advise(struct uhmm *u, void *addr, size_t len, enum uhmm_advice advice)
{
	struct request req = { .op = REQ_ADVISE, .flags = advice };
	int err = range_check(u, addr, len);

	if (err || (unsigned)advice > UHMM_ADVICE_PAGEOUT)
		return err ? err : -EINVAL;
	if (advice != UHMM_ADVICE_WILLNEED)
		return hint_result(run_range(u, addr, len, &req));
	req = (struct request){ .op = REQ_WILLNEED,
				.addr = (uintptr_t)addr,
				.len = len,
				.cookie = UINT64_MAX,
				.background = true,
				.quiet = true };
	return hint_result(request_start(u, &req));
}

int uhmm_fd(struct uhmm *u)
{
	if (!u)
		return -EINVAL;
	return context_is_dead(u) ? -ENODEV : u->requests.fd;
}

int uhmm_set_ram_limit(struct uhmm *u, uint64_t bytes)
{
	return uhmm_group_set_limit(uhmm_group_root(u), NULL, bytes);
}

int uhmm_features(struct uhmm *u, char *ret_text, size_t len)
{
	if (!u || (!ret_text && len))
		return -EINVAL;
	if (context_is_dead(u))
		return -ENODEV;
	return u->mm->ops->features(u->mm, ret_text, len);
}

static const char *const why_names[] = {
	[UHMM_WHY_OK] = "ok",
	[UHMM_WHY_PINNED] = "pinned",
	[UHMM_WHY_SHARED] = "shared",
	[UHMM_WHY_BUSY] = "busy",
	[UHMM_WHY_NO_ROOM] = "no-room",
	[UHMM_WHY_UNSUPPORTED] = "unsupported",
	[UHMM_WHY_FOREIGN] = "foreign",
	[UHMM_WHY_LOCKED] = "locked",
	[UHMM_WHY_IO] = "io-error",
	[UHMM_WHY_POISONED] = "poisoned",
	[UHMM_WHY_TOUCHED] = "touched",
	[UHMM_WHY_UNMAPPED] = "unmapped",
	[UHMM_WHY_MAPPINGS] = "mappings",
	[UHMM_WHY_FIXED] = "fixed",
};

const char *uhmm_why_name(enum uhmm_why why)
{
	if ((size_t)why >= sizeof(why_names) / sizeof(*why_names))
		return "unknown";
	return why_names[why];
}
