// SPDX-License-Identifier: MIT
/*
 * The watchdog looks whether children have ended that shared memory, and an
 * object is destroyed between two of its steps: the watchdog then leaves
 * everything alone, also what has been mapped since where something of the
 * object was.
 *
 * The step is a function of the library, which is wrapped here.
 */
#include "core/context/context.h"
#include "core/object/object.h"

#include "../object.h"

#define NPAGES 8

struct uffd;

int __real_uffd_gate_enter(struct uffd *b);
int __wrap_uffd_gate_enter(struct uffd *b);

static void (*between)(void);
static struct uhmm_object *object;
static char *token; /* the page that a child has as well */

int __wrap_uffd_gate_enter(struct uffd *b)
{
	void (*fn)(void) = between;

	between = NULL;
	if (fn)
		fn();
	return __real_uffd_gate_enter(b);
}

static char *find_token(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	uintptr_t found = 0;
	char line[512];

	CHECK(f);
	while (!found && fgets(line, sizeof(line), f))
		if (strstr(line, "uhmm-token"))
			found = strtoull(line, NULL, 16);
	fclose(f);
	CHECK(found);
	return (char *)found;
}

static void end_object(void)
{
	CHECK_EQ(uhmm_object_destroy(object), 0);
	CHECK(mmap(token, PAGE, RW,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == token);
	*(uint64_t *)token = 1;
}

int main(void)
{
	struct uhmm *u = test_open();
	struct mm *mm = u->mm;
	unsigned char vec;
	uintptr_t va;

	object = test_adopt(u, test_shared(NPAGES));
	va = object->va;
	token = find_token();
	between = end_object;
	mm->ops->object_alone(mm, va);
	CHECK(!between);
	CHECK_EQ(mincore(token, PAGE, &vec), 0);
	CHECK_EQ(*(uint64_t *)token, 1);
	test_close(u);
	return 0;
}
