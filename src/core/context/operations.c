/* SPDX-License-Identifier: MIT */
/*
 * operations.c - bodies of the public calls, one for each kind of request.
 */
#include "core/context/operations.h"
#include "core/charge/charge.h"
#include "core/coherent/fixed.h"
#include "core/coherent/site.h"
#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/device/device.h"
#include "core/file/file.h"
#include "core/hotplug/hotplug.h"
#include "core/limit/advise.h"
#include "core/limit/group_api.h"
#include "core/mirror/mirror_api.h"
#include "core/move/home.h"
#include "core/move/migrate.h"
#include "core/move/unchanged.h"
#include "core/object/object.h"
#include "core/report/listing.h"

/* The number of RAM, or of a device. */
static unsigned tier_of(const struct request *r)
{
	return r->dev ? r->dev->id : 0;
}

static int64_t migrate(struct uhmm *u, const struct request *r)
{
	return do_migrate(u, r->addr, r->len, r->dev, r->why);
}

static int64_t pin_range(struct uhmm *u, const struct request *r)
{
	return do_pin(u, r->addr, r->len);
}

static int64_t unpin_range(struct uhmm *u, const struct request *r)
{
	return do_unpin(u, r->addr, r->len);
}

static int64_t fault_in_range(struct uhmm *u, const struct request *r)
{
	return do_fault_in(u, r->addr, r->len, r->flags);
}

static int64_t prefer(struct uhmm *u, const struct request *r)
{
	return do_prefer(u, r->addr, r->len, r->dev);
}

static int64_t advise_range(struct uhmm *u, const struct request *r)
{
	return do_advise(u, r->addr, r->len, (enum uhmm_advice)r->flags);
}

static int64_t will_need(struct uhmm *u, const struct request *r)
{
	return do_willneed(u, r->addr, r->len, r->cookie);
}

static int64_t take_in(struct uhmm *u, const struct request *r)
{
	return do_register(u, r->addr, r->len);
}

static int64_t unregister(struct uhmm *u, const struct request *r)
{
	return do_unregister(u, r->addr, r->len);
}

static int64_t attach_device(struct uhmm *u, const struct request *r)
{
	return site_attach(r->dev);
}

static int64_t remove_device(struct uhmm *u, const struct request *r)
{
	return do_remove(r->dev);
}

static int64_t lose_device(struct uhmm *u, const struct request *r)
{
	return do_lost(r->dev);
}

static int64_t fail(struct uhmm *u, const struct request *r)
{
	return do_failed(r->dev, r->dpfn, r->len);
}

static int64_t device_map(struct uhmm *u, const struct request *r)
{
	return do_device_map(r->dev, r->addr, r->len, r->dpfn);
}

static int64_t device_unmap(struct uhmm *u, const struct request *r)
{
	return do_device_unmap(r->dev, r->addr, r->len);
}

static int64_t snapshot(struct uhmm *u, const struct request *r)
{
	return do_snapshot(u, r->addr, r->len, r->pfns);
}

static int64_t limit_group(struct uhmm *u, const struct request *r)
{
	return do_group_limit(r->group, tier_of(r), r->cookie);
}

static int64_t charge(struct uhmm *u, const struct request *r)
{
	return do_charge(u, r->addr, r->len, r->group);
}

static int64_t start_charge(struct uhmm *u, const struct request *r)
{
	return charge_start(u);
}

static int64_t group_create(struct uhmm *u, const struct request *r)
{
	return do_group_create(r->group, r->name, r->ret_group);
}

static int64_t group_destroy(struct uhmm *u, const struct request *r)
{
	return group_remove(r->group);
}

/* No other thread uses the context any more. */
static int64_t close_all(struct uhmm *u, const struct request *r)
{
	int lost = file_end_all(u);
	int err = home_all(u, NULL, HOME_RESCUE);

	device_for_each(u, dev)
		unchanged_end_all(u, dev);
	site_detach_all(u);
	return err ? err : lost;
}

static int64_t mirror_remove(struct uhmm *u, const struct request *r)
{
	return do_mirror_remove(r->mirror);
}

static int64_t mirror_fault(struct uhmm *u, const struct request *r)
{
	return do_mirror_fault(r->mirror, r->addr, r->len, r->flags);
}

static int64_t mirror_snapshot(struct uhmm *u, const struct request *r)
{
	return do_mirror_snapshot(r->mirror, r->addr, r->len, r->pfns);
}

static int64_t notify_begin(struct uhmm *u, const struct request *r)
{
	return do_notify_begin(u, r->addr, r->len, (enum uhmm_notify)r->flags);
}

static int64_t notify_end(struct uhmm *u, const struct request *r)
{
	return do_notify_end(u, r->addr, r->len);
}

static int64_t ranges(struct uhmm *u, const struct request *r)
{
	return do_ranges(u, r->addr, r->ranges, r->cookie);
}

static int64_t range_pages(struct uhmm *u, const struct request *r)
{
	return do_range_pages(u, r->addr, r->len, tier_of(r));
}

static int64_t look_at_sites(struct uhmm *u, const struct request *r)
{
	site_look_again(u);
	return 0;
}

static int64_t object_create(struct uhmm *u, const struct request *r)
{
	return do_object_create(r->object);
}

static int64_t object_adopt(struct uhmm *u, const struct request *r)
{
	return do_object_adopt(r->object, r->cookie);
}

static int64_t object_is_mapped(struct uhmm *u, const struct request *r)
{
	return do_object_is_mapped(r->object);
}

static int64_t object_map(struct uhmm *u, const struct request *r)
{
	return do_object_map(r->object, r->cookie, r->dpfn, r->flags);
}

static int64_t object_discard(struct uhmm *u, const struct request *r)
{
	return do_object_discard(r->object, r->cookie, r->dpfn);
}

static int64_t object_remove(struct uhmm *u, const struct request *r)
{
	return do_object_remove(u, r->addr, r->len);
}

static int64_t object_destroy(struct uhmm *u, const struct request *r)
{
	return do_object_destroy(r->object);
}

static int64_t map_file(struct uhmm *u, const struct request *r)
{
	return do_file_map(r->file, (int)r->dpfn);
}

static int64_t unmap_file(struct uhmm *u, const struct request *r)
{
	return do_file_unmap(u, r->cookie);
}

static int64_t sync_file(struct uhmm *u, const struct request *r)
{
	return do_file_sync(u, r->addr, r->len, r->flags);
}

static int64_t refresh_file(struct uhmm *u, const struct request *r)
{
	return do_file_refresh(u, r->addr, r->len);
}

static int64_t nothing(struct uhmm *u, const struct request *r)
{
	return 0;
}

const struct operation operations[] = {
	[REQ_MIGRATE] = { "uhmm_migrate()", migrate, OPERATION_OBJECTS },
	[REQ_PIN] = { "uhmm_pin()", pin_range, OPERATION_OBJECTS },
	[REQ_UNPIN] = { "uhmm_unpin()", unpin_range, OPERATION_OBJECTS },
	[REQ_FAULT_IN] = { "uhmm_fault_in()", fault_in_range,
			   OPERATION_OBJECTS },
	[REQ_PREFER] = { "uhmm_prefer()", prefer, OPERATION_OBJECTS },
	[REQ_ADVISE] = { "uhmm_advise()", advise_range, OPERATION_OBJECTS },
	[REQ_WILLNEED] = { "uhmm_advise()", will_need, OPERATION_OBJECTS },
	[REQ_REGISTER] = { "uhmm_register()", take_in, OPERATION_OBJECTS },
	[REQ_UNREGISTER] = { "uhmm_unregister()", unregister,
			     OPERATION_NO_OBJECTS },
	[REQ_ATTACH] = { "uhmm_device_add()", attach_device, 0 },
	[REQ_REMOVE] = { "uhmm_device_remove()", remove_device,
			 OPERATION_QUEUED },
	[REQ_LOST] = { "uhmm_device_lost()", lose_device, OPERATION_URGENT },
	[REQ_FAILED] = { "uhmm_device_failed()", fail, 0 },
	[REQ_DEVICE_MAP] = { "uhmm_device_map()", device_map,
			     OPERATION_NO_OBJECTS },
	[REQ_DEVICE_UNMAP] = { "uhmm_device_unmap()", device_unmap, 0 },
	[REQ_SNAPSHOT] = { "uhmm_snapshot()", snapshot, OPERATION_OBJECTS },
	[REQ_LIMIT] = { "uhmm_group_set_limit()", limit_group, 0 },
	[REQ_CHARGE] = { "uhmm_charge()", charge, OPERATION_OBJECTS },
	[REQ_CHARGE_START] = { "uhmm_group_query()", start_charge, 0 },
	[REQ_GROUP_CREATE] = { "uhmm_group_create()", group_create, 0 },
	[REQ_GROUP_DESTROY] = { "uhmm_group_destroy()", group_destroy, 0 },
	[REQ_CLOSE] = { "uhmm_close()", close_all, 0 },
	[REQ_MIRROR_REMOVE] = { "uhmm_mirror_remove()", mirror_remove, 0 },
	[REQ_MIRROR_FAULT] = { "uhmm_mirror_fault()", mirror_fault,
			       OPERATION_NO_OBJECTS },
	[REQ_MIRROR_SNAPSHOT] = { "uhmm_mirror_snapshot()", mirror_snapshot,
				  OPERATION_NO_OBJECTS },
	[REQ_NOTIFY_BEGIN] = { "uhmm_notify_begin()", notify_begin, 0 },
	[REQ_NOTIFY_END] = { "uhmm_notify_end()", notify_end, 0 },
	[REQ_RANGES] = { "uhmm_ranges()", ranges, 0 },
	[REQ_RANGE_PAGES] = { "uhmm_range_pages()", range_pages,
			      OPERATION_OBJECTS },
	[REQ_LOOK_AGAIN] = { "uhmm_stats()", look_at_sites, 0 },
	[REQ_OBJECT_CREATE] = { "uhmm_object_create()", object_create, 0 },
	[REQ_OBJECT_ADOPT] = { "uhmm_object_adopt()", object_adopt, 0 },
	[REQ_OBJECT_IS_MAPPED] = { "uhmm_object_is_mapped()", object_is_mapped,
				   0 },
	[REQ_OBJECT_MAP] = { "uhmm_object_map()", object_map, 0 },
	[REQ_OBJECT_DISCARD] = { "uhmm_object_discard()", object_discard, 0 },
	[REQ_OBJECT_REMOVE] = { "uhmm_object_remove()", object_remove,
				OPERATION_OBJECTS },
	[REQ_OBJECT_DESTROY] = { "uhmm_object_destroy()", object_destroy, 0 },
	[REQ_FILE_MAP] = { "uhmm_map_file()", map_file, 0 },
	[REQ_FILE_UNMAP] = { "uhmm_unmap_file()", unmap_file,
			     OPERATION_QUEUED },
	[REQ_FILE_SYNC] = { "uhmm_file_sync()", sync_file, 0 },
	[REQ_FILE_REFRESH] = { "uhmm_file_refresh()", refresh_file, 0 },
	[REQ_NOTHING] = { "uhmm_close()", nothing, 0 },
};
