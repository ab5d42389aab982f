/* SPDX-License-Identifier: MIT */
/* model_int.h - what model.c, checks.c and ops.c have of each other */
#ifndef UHMM_TEST_MODEL_INT_H
#define UHMM_TEST_MODEL_INT_H

#include "model.h"

/* checks.c */
unsigned char *model_bytes(struct model *m, size_t page);
void *model_addr(struct model *m, size_t page);
struct range model_run_of(struct model *m, bool mapped);
bool model_all_mapped(struct model *m, struct range r);
struct range model_some_range(struct model *m);
int model_hole_error(struct model *m, struct range r);
void model_note_lost(struct model *m, size_t page);
void model_forget(struct model *m, size_t page);
void model_check_not_lost(struct model *m, size_t page);
void model_check_range(struct model *m, struct range r);
void model_check_bytes(struct model *m, size_t page, const unsigned char *got);

/* ops.c */
void do_write(struct model *m, struct range r);
void do_read(struct model *m, struct range r);
void do_out(struct model *m, struct range r);
void do_home(struct model *m, struct range r);
void do_async(struct model *m, struct range r);
void do_reg(struct model *m, struct range r);
void do_unreg(struct model *m, struct range r);
void do_pin_range(struct model *m, struct range r);
void do_unpin_range(struct model *m, struct range r);
void do_snap(struct model *m, struct range r);
void do_discard(struct model *m, struct range r);
void do_unmap(struct model *m, struct range r);
void do_map(struct model *m);
void do_protect(struct model *m, struct range r);
void do_remap(struct model *m, struct range r);
void do_remap_onto(struct model *m, struct range r);
void do_map_over(struct model *m, struct range r);

#endif
