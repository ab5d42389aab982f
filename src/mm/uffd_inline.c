/* SPDX-License-Identifier: MIT */
/* uffd_inline.c - placeholder until the next commit */
#include <errno.h>

#include "mm/uffd.h"

int uffd_inline_open(struct uffd *b)
{
	return -EOPNOTSUPP;
}

void uffd_inline_close(struct uffd *b)
{
}

void uffd_inline_child(struct uffd *b)
{
}
