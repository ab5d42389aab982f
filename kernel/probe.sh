#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
#   probe.sh INCLUDE
#
# Print what the headers of a kernel are like, as options of the compiler.
# Versions say nothing here, since distributions carry changes back. A header
# that is like none that we know is an error: better no module than a wrong one.
include=$1

# has HEADER REGEX: over the ends of lines
has()
{
	tr '\n\t' '  ' <"$include/linux/$1" 2>/dev/null | grep -qE "$2"
}

# either HEADER NEW WORD HEADER OLD: one of two shapes
either()
{
	if has "$1" "$2"; then
		echo "-D$3"
	elif ! has "$4" "$5"; then
		echo "probe.sh: linux/$1 is like none we know: $3" >&2
		exit 1
	fi
}

# optional HEADER REGEX WORD
optional()
{
	! has "$1" "$2" || echo "-D$3"
}

either memremap.h '\(\*folio_free\)\(struct folio \*' HAVE_FOLIO_FREE \
	memremap.h '\(\*page_free\)\(struct page \*'
either memremap.h 'zone_device_page_init\(struct page \*page, *struct dev_pag' \
	HAVE_PAGE_INIT_PGMAP \
	memremap.h 'zone_device_page_init\(struct page \*page\)'
either mmzone.h 'struct dev_pagemap \*page_pgmap\(' HAVE_PAGE_PGMAP \
	mm_types.h 'struct dev_pagemap \*pgmap;'
either rmap.h 'struct page \*make_device_exclusive\(' HAVE_EXCLUSIVE_PAGE \
	rmap.h 'int make_device_exclusive_range\('
optional hmm.h 'int hmm_range_fault_unlocked_timeout\(' \
	HAVE_RANGE_FAULT_UNLOCKED
optional mm.h 'static inline void vm_flags_set\(' HAVE_VM_FLAGS_SET
