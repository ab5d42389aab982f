// SPDX-License-Identifier: MIT
/*
 * A device asks for more pages at once than may be in RAM.  It gets entries for
 * all of them, some of which are told to be gone again before the call returns.
 */
#include "../mirror.h"

#define NPAGES 256
#define LIMIT  16
#define ROUNDS 4

static struct test_table table;

int main(void)
{
	struct uhmm *u = test_open();
	char *p = test_map_blocks(1);

	test_device(u, "ram:4M");
	test_fill(p, NPAGES, 1);
	CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
	test_mirror(u, &table, p, NULL);
	CHECK_EQ(uhmm_set_ram_limit(u, LIMIT * PAGE), 0);
	for (size_t i = 0; i < ROUNDS; i++)
		test_fault(&table, p, NPAGES, i % 2 ? UHMM_FAULT_WRITE : 0);
	test_fault(&table, p, NPAGES, UHMM_FAULT_EXCLUSIVE);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(uhmm_mirror_remove(table.mirror), 0);
	test_close(u);
	return 0;
}
