/* SPDX-License-Identifier: MIT */
/* group.h - charge groups in tests of behaviour. */
#ifndef UHMM_TEST_GROUP_H
#define UHMM_TEST_GROUP_H

#include <uhmm/charge.h>

#include "context.h"

static inline struct uhmm_group *
test_group(struct uhmm *u, struct uhmm_group *parent, const char *name)
{
	struct uhmm_group *g = NULL;

	CHECK_EQ(uhmm_group_create(u, parent, name, &g), 0);
	return g;
}

static inline struct uhmm_group_info test_ask(struct uhmm_group *g,
					      struct uhmm_device *dev)
{
	struct uhmm_group_info info = { .size = sizeof(info) };

	CHECK_EQ(uhmm_group_query(g, dev, &info), 0);
	return info;
}

/* Figures follow a fault at once, but not before its toucher goes on. */
#define CHECK_PAGES(g, dev, n) CHECK_SOON(test_ask(g, dev).pages == (n))

static inline void test_limit(struct uhmm_group *g, struct uhmm_device *dev,
			      uint64_t bytes)
{
	CHECK_EQ(uhmm_group_set_limit(g, dev, bytes), 0);
	CHECK_EQ(test_ask(g, dev).limit, bytes);
}

#endif
