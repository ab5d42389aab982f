// SPDX-License-Identifier: MIT
/*
 * Views of one object, of the whole and of a part, writable, read-only and
 * private: each sees what the others write, wherever the pages were meanwhile.
 * A private view keeps what it wrote to itself, also while the page of the
 * object below is away.
 */
#include "../object.h"

#define NPAGES	700 /* more than a block */
#define FIRST	500 /* of the part: it is in two blocks */
#define PART	100
#define WRITTEN 3 /* page of the part that the private view writes */

static char *whole, *again, *reader, *part, *own;

static void write_and_see(uint64_t seed)
{
	test_fill(whole, NPAGES, seed);
	test_verify(again, NPAGES, seed);
	test_verify(reader, NPAGES, seed);
	CHECK_MEM(part, whole + FIRST * PAGE, PART * PAGE);
	CHECK_MEM(own, whole + FIRST * PAGE, WRITTEN * PAGE);
	CHECK_EQ(own[WRITTEN * PAGE], 77);
}

static void move_and_see(struct uhmm *u, struct uhmm_device *dev, uint64_t seed)
{
	write_and_see(seed);
	test_move(u, whole, NPAGES, dev);
	CHECK_EQ(test_count_on(u, again, NPAGES, dev), NPAGES);
	CHECK_EQ(test_count_on(u, part, PART, dev), PART);
	test_verify(again, NPAGES, seed); /* a touch brings it home */
	test_verify(whole, NPAGES, seed);
	CHECK_EQ(test_count_on(u, whole, NPAGES, NULL), NPAGES);

	test_move(u, part, PART, dev);
	CHECK_EQ(test_count_on(u, whole, NPAGES, dev), PART);
	memset(part, 5, PAGE); /* and so does a store, by another view */
	CHECK_MEM(whole + FIRST * PAGE, part, PAGE);
	test_move(u, part, PART, NULL);

	test_move(u, again, NPAGES, dev);
	CHECK_EQ(own[WRITTEN * PAGE], 77);
	CHECK_EQ(own[0], 5);
	test_verify(reader, FIRST, seed);
}

int main(void)
{
	struct uhmm_device *dev;
	struct uhmm_object *o;
	struct uhmm *u;

	test_catch(SIGSEGV);
	u = test_open();
	dev = test_device(u, "ram:16M");
	o = test_object(u, NPAGES);
	whole = test_view(o, 0, NPAGES, RW, 0);
	test_verify_zero(whole, NPAGES);
	again = test_view(o, 0, NPAGES, RW, 0);
	reader = test_view(o, 0, NPAGES, PROT_READ, 0);
	part = test_view(o, FIRST, PART, RW, 0);
	own = test_view(o, FIRST, PART, RW, UHMM_OBJECT_PRIVATE);
	own[WRITTEN * PAGE] = 77;
	CHECK_EQ(whole[(FIRST + WRITTEN) * PAGE], 0);

	for (uint64_t seed = 1; seed <= 3; seed++)
		move_and_see(u, dev, seed);
	CHECK_EQ(test_write_raises(reader), SIGSEGV);
	test_fill(whole, NPAGES, 9);

	/* what was never touched begins on a device, and reads as zeroes */
	CHECK_EQ(uhmm_object_discard(o, 0, NPAGES * PAGE), 0);
	test_move(u, reader, NPAGES, dev);
	test_verify_zero(again, NPAGES);

	test_fill(again, NPAGES, 11);
	test_move(u, again, NPAGES, dev);
	CHECK_EQ(munmap(again, NPAGES * PAGE), 0);
	test_verify(whole, NPAGES, 11);
	test_move(u, whole, NPAGES, dev);
	CHECK_EQ(uhmm_object_destroy(o), 0);
	test_verify(reader, NPAGES, 11);
	whole[0] = 1;
	CHECK_EQ(reader[0], 1);
	CHECK_EQ(uhmm_migrate(u, whole, PAGE, dev), -EOPNOTSUPP);
	test_close(u);
	CHECK_EQ(reader[0], 1);
	return 0;
}
