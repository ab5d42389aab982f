// SPDX-License-Identifier: MIT
/*
 * A device hangs in direct(), which says where the CPU can read its memory.
 * Other pages of that block are served all the same, and the device can be
 * lost: a thread that waits for the page gets SIGBUS.
 */
#include <sched.h>

#include "../stuck.h"

#define NPAGES 16

static struct test_ops ops;
static _Atomic uint64_t held; /* dpfn + 1 */

static const void *direct(void *priv, uint64_t dpfn, size_t npages)
{
	struct test_ops *t = priv;

	(void)npages;
	if (dpfn + 1 == atomic_load(&held))
		test_gate(t, &t->hold_in);
	return dpfn % 2 ? NULL : t->pages + dpfn * PAGE;
}

static struct uhmm_device *add(struct uhmm *u)
{
	static const struct uhmm_device_ops all = {
		.size = sizeof(all),
		.copy_to_devmem = test_copy_in,
		.copy_to_ram = test_copy_out,
		.direct = direct,
		.release = test_release_device,
	};
	struct uhmm_device_desc desc = { .size = sizeof(desc),
					 .name = "stuck",
					 .type = UHMM_MEMORY_DEVICE_PRIVATE,
					 .flags = UHMM_DEVICE_CONCURRENT,
					 .npages = NPAGES,
					 .ops = &all };
	struct uhmm_device *dev;

	ops.pages = uhmm_provider_alloc(NPAGES * PAGE);
	CHECK(ops.pages);
	CHECK_EQ(uhmm_device_add(u, &desc, &ops, &dev), 0);
	return dev;
}

int main(void)
{
	struct test_toucher t[3] = { 0 };
	struct uhmm *u;
	struct uhmm_device *dev;
	bool is_inline;
	char *p;

	test_catch_threads();
	u = test_open_watched();
	is_inline = test_has(u, "inline");
	dev = add(u);
	p = test_map(NPAGES);
	test_fill(p, NPAGES, 1);
	for (size_t i = 0; i < NPAGES; i++) /* one by one: no page is near */
		test_move(u, p + (i * 7 % NPAGES) * PAGE, 1, dev);
	held = 1; /* of the first page */
	ops.hold_in = 1;
	test_touch(&t[0], p);
	test_wait_held(&ops);
	test_await(&test_reports, 1);
	test_touch(&t[1], p + 5 * PAGE);
	CHECK_EQ(test_touched(&t[1]), 0);
	CHECK_EQ(t[1].word, *(uint64_t *)(p + 5 * PAGE));
	test_touch(&t[2], p);

	CHECK_EQ(uhmm_device_lost(dev), 0);
	CHECK_EQ(test_touched(&t[2]), SIGBUS);
	if (!is_inline)
		CHECK_EQ(test_touched(&t[0]), SIGBUS);
	CHECK_EQ(ops.released, 0);
	test_release(&ops);
	test_await(&ops.released, 1);
	if (is_inline)
		CHECK_EQ(test_touched(&t[0]), SIGBUS);
	/* a handler that comes out of direct() then frees the page */
	while (test_info(dev).used)
		sched_yield();
	CHECK_EQ(uhmm_device_remove(dev), 0);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	test_close(u);
	return 0;
}
