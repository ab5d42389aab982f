// SPDX-License-Identifier: MIT
/* cpu.c - signal frames and page sizes of processors, see cpu.h. */
#include "sys/cpu.h"

#include <sys/auxv.h>
#include <ucontext.h>

#include "sys/fail.h"

bool sys_page_size_fits(void)
{
	return !sys_should_fail("page-size") &&
	       getauxval(AT_PAGESZ) == SYS_PAGE_SIZE;
}

#if defined(__x86_64__)

enum {
	ERR_PRESENT = 1,
	ERR_WRITE = 2,
};

struct sys_touch sys_touch_of(const void *context)
{
	const ucontext_t *uc = context;
	unsigned long err = (unsigned long)uc->uc_mcontext.gregs[REG_ERR];

	return (struct sys_touch){
		.write = err & ERR_WRITE,
		.present = err & ERR_PRESENT,
	};
}

#elif defined(__aarch64__)

#include <asm/sigcontext.h>
#include <stdint.h>
#include <string.h>

/* Fields of ESR_EL1 for a data abort: Arm ARM, D17.2.37. */
enum {
	ESR_CLASS_SHIFT = 26,
	CLASS_DATA_ABORT = 0x24, /* from EL0 */
	ESR_CACHE = 1 << 8, /* by a cache instruction, which never stores */
	ESR_WRITE = 1 << 6,
	ESR_STATUS = 0x3c, /* without the level */
	STATUS_PERMISSION = 0x0c,
};

/* The kernel's record with the syndrome register.  False: there is none. */
static bool find_syndrome(const mcontext_t *mc, uint64_t *ret)
{
	const unsigned char *at = mc->__reserved;
	const unsigned char *end = at + sizeof(mc->__reserved);
	struct _aarch64_ctx head;
	struct esr_context esr;

	while ((size_t)(end - at) >= sizeof(esr)) {
		memcpy(&head, at, sizeof(head));
		if (head.magic == ESR_MAGIC) {
			memcpy(&esr, at, sizeof(esr));
			*ret = esr.esr;
			return true;
		}
		if (!head.magic || head.size < sizeof(head) ||
		    head.size > (size_t)(end - at))
			return false;
		at += head.size;
	}
	return false;
}

struct sys_touch sys_touch_of(const void *context)
{
	const ucontext_t *uc = context;
	struct sys_touch touch = { .write = true };
	uint64_t esr;

	if (!find_syndrome(&uc->uc_mcontext, &esr) ||
	    esr >> ESR_CLASS_SHIFT != CLASS_DATA_ABORT)
		return touch;
	touch.write = esr & ESR_WRITE && !(esr & ESR_CACHE);
	touch.present = (esr & ESR_STATUS) == STATUS_PERMISSION;
	return touch;
}

#else

/* A page that is there is found out by the caller. */
struct sys_touch sys_touch_of(const void *context)
{
	(void)context;
	return (struct sys_touch){ .write = true };
}

#endif
