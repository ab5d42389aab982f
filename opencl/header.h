/* SPDX-License-Identifier: MIT */
/* header.h - the text of <uhmm/uhmm.cl.h>, made by scripts/text-to-c */
#ifndef UHMM_OPENCL_HEADER_H
#define UHMM_OPENCL_HEADER_H

extern const char header_text[];

#endif
