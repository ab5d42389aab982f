/* SPDX-License-Identifier: MIT */
/*
 * model.h - random operations, and the plainest memory that could be meant: an
 * array of bytes and, for each page, whether it is mapped, pinned or lost.
 *
 * One struct model is one thread's: its pages are its own, all else is shared.
 * The table that the pages lie in is behind struct space.
 */
#ifndef UHMM_MODEL_H
#define UHMM_MODEL_H

#include <poll.h>

#include "world.h"

#define NR_DEVICES  5
#define NODE_DEVICE 4 /* if it has any room, a NUMA node */
#define NODE	    2
#define NR_TELLING  3 /* the first ones, where RAM is not limited */

/*
 * The address space.
 * @peek: where a page's bytes are at this moment, without touching it; NULL
 *	for zeroes.  Only while nothing moves.
 * @is_poisoned: a touch would say so
 * @is_lossy: devices are lost and fail while all else goes on
 * @hole_is_error: -ENOMEM for ranges with holes
 */
struct space {
	struct uhmm *u;
	struct uhmm_device *dev[NR_DEVICES];
	struct store store[NR_DEVICES];
	enum store_kind kind[NR_DEVICES];
	uint64_t room[NR_DEVICES];
	uint64_t limit[NR_DEVICES]; /* pages; 0: none */
	unsigned one_in;	    /* device calls fail so often; 0: never */
	bool is_exact;		    /* nothing refuses: every page must go */
	bool hole_is_error;
	bool is_lossy;
	bool is_unlimited; /* see struct space_how */
	bool is_real, is_inline;
	void *(*at)(struct space *s, size_t page);
	void (*map)(struct space *s, size_t page, size_t n);
	void (*unmap)(struct space *s, size_t page, size_t n);
	void (*discard)(struct space *s, size_t page, size_t n);
	void (*remap)(struct space *s, size_t from, size_t to, size_t n);
	/* the same, over pages that are mapped there */
	void (*map_over)(struct space *s, size_t page, size_t n);
	void (*remap_onto)(struct space *s, size_t from, size_t to, size_t n);
	void (*protect)(struct space *s, size_t page, size_t n, bool readonly);
	/* 0, -EIO for a lost page */
	int (*read)(struct space *s, size_t page, size_t off, void *buf,
		    size_t len);
	int (*write)(struct space *s, size_t page, size_t off, const void *buf,
		     size_t len);
	const unsigned char *(*peek)(struct space *s, size_t page);
	bool (*is_poisoned)(struct space *s, size_t page);
	void (*let_go)(struct space *s); /* after space_close() */
	void *priv, *priv2;
};

/* @refuse, @fail: one in so many, 0 for never. */
struct space_how {
	const char *off; /* features_off */
	unsigned flags;	 /* enum uhmm_open_flags */
	unsigned mode;	 /* enum uhmm_fault_mode */
	unsigned refuse, fail;
	bool lose;	/* devices, on two threads; one alone always does */
	bool unlimited; /* RAM; and devices tell of writes */
	uint64_t seed;
};

typedef int space_open_fn(struct space *s, const struct space_how *how);
space_open_fn space_open_fake;
space_open_fn space_open_real;
/* Returns the result of uhmm_close().  The memory stays, to be looked at. */
int space_close(struct space *s);

/* @is_forgotten: it was lost, but nobody knows any more; see uhmm(7), LIMITS */
struct page_model {
	bool is_mapped, is_lost, is_forgotten, is_readonly;
	uint16_t pins;
};

struct model {
	struct space *s;
	size_t first, npages; /* ours */
	unsigned char *bytes; /* of page @first on */
	struct page_model *page;
	uint64_t seed;
	bool is_alone;
	uint64_t steps;
};

struct range {
	size_t first, n;
};

struct page_model *model_page(struct model *m, size_t page);
size_t model_below(struct model *m, size_t n);

#define TRACE(...)                                    \
	do {                                          \
		if (model_trace)                      \
			fprintf(stderr, __VA_ARGS__); \
	} while (0)

extern bool model_trace;

void model_init(struct model *m, struct space *s, size_t first, size_t npages,
		uint64_t seed, bool is_alone);
void model_fini(struct model *m);
/* One operation, and a check of the pages it was about. */
void model_step(struct model *m);
/* Every page. */
void model_check(struct model *m);
/* All of @m after uhmm_close(): by peek() alone. */
void model_check_closed(struct model *m);

/* devices.c */
void space_add_device(struct space *s, unsigned i);
/* Can a page that is away be kept from coming home? */
static inline bool may_be_stuck(const struct model *m)
{
	return m->s->one_in || (m->s->room[NODE_DEVICE] && !m->s->is_exact);
}

/* @given_up: copies that the call may have given up after it found no room */
bool device_is_full(const struct space *s, unsigned d, uint64_t given_up);
void do_devices(struct model *m);
void do_lose(struct model *m);
void do_fail(struct model *m);
void do_device_limit(struct model *m);
void do_device_writes(struct model *m, size_t first, size_t n);

/* Each way, alone and on two threads; argv: one way, and 1 or 2 threads. */
int model_main(int argc, char **argv, space_open_fn *open,
	       const struct space_how *how, unsigned nr);

#endif
