// SPDX-License-Identifier: MIT
/*
 * Shared memory of the program's, with data in it and several mappings, is
 * adopted: all mappings keep addresses and data, and each sees what the others
 * write, wherever the pages were meanwhile.  mremap(2), madvise(2), mprotect(2)
 * and munmap(2) do what they do with all shared memory.
 */
#include "../object.h"

#define NPAGES 700 /* more than a block */
#define CUT    100
#define FEW    64
#define FREE   4 /* no thread's stack fits there */

static struct uhmm *u;
static struct uhmm_device *dev;

/* Of a part, with nothing behind it: it can be kept from growing. */
static char *map_part(char *p, size_t npages)
{
	char *to = test_map(npages + FEW);

	CHECK(mremap(p, 0, npages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
	      to);
	CHECK_EQ(munmap(to + npages * PAGE, FREE * PAGE), 0);
	return to;
}

static void several_mappings(void)
{
	char *p = test_shared(NPAGES), *q, *reader, *part, *late;
	struct uhmm_object *o;

	test_fill(p, NPAGES, 1);
	q = test_again(p, NPAGES);
	reader = test_again(p, NPAGES);
	CHECK_EQ(mprotect(reader, NPAGES * PAGE, PROT_READ), 0);
	part = map_part(p + CUT * PAGE, CUT);
	o = test_adopt(u, part);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(uhmm_object_is_mapped(o), 1);

	for (uint64_t seed = 2; seed < 5; seed++) {
		test_fill(q, NPAGES, seed);
		test_move(u, p, NPAGES, dev);
		CHECK_EQ(test_count_on(u, part, CUT, dev), CUT);
		test_verify(reader, NPAGES, seed);
		test_move(u, reader, NPAGES, dev);
		CHECK_MEM(part, q + CUT * PAGE, CUT * PAGE);
		test_move(u, q, NPAGES, dev);
		memset(part, (int)seed, PAGE);
		CHECK_MEM(reader + CUT * PAGE, part, PAGE);
	}
	CHECK_EQ(test_write_raises(reader), SIGSEGV);

	late = test_again(q, NPAGES);
	test_fill(late, NPAGES, 6);
	test_move(u, late, NPAGES, dev);
	test_verify(q, NPAGES, 6);

	CHECK_EQ(uhmm_object_destroy(o), 0);
	late[0] = 7;
	CHECK_EQ(reader[0], 7);
	CHECK_EQ(uhmm_migrate(u, p, PAGE, dev), -EOPNOTSUPP);
	o = test_adopt(u, p); /* and again */
	test_move(u, late, NPAGES, dev);
	CHECK_EQ(reader[0], 7);
	CHECK_EQ(uhmm_object_destroy(o), 0);
}

static void changes(void)
{
	char *p = test_shared(FEW), *to = test_map(FEW), *q;
	struct uhmm_object *o;
	uint8_t why[FEW];
	uint64_t home;

	test_fill(p, FEW, 11);
	o = test_adopt(u, p);
	test_move(u, p, FEW, dev);
	CHECK_EQ(madvise(p, FEW * PAGE, MADV_DONTNEED), 0);
	test_verify(p, FEW, 11);
	test_move(u, p, FEW, dev);
	CHECK(mremap(p, FEW * PAGE, FEW * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     to) == to);
	test_verify(to, FEW, 11);
	q = test_again(to, FEW);
	test_move(u, q, FEW, dev);
	CHECK_EQ(mprotect(to, FEW * PAGE, PROT_NONE), 0);
	test_verify(q, FEW, 11);
	test_move(u, q, FEW, dev);
	CHECK_EQ(mprotect(to, FEW * PAGE, RW), 0);
	test_verify(to, FEW, 11);

	/* a part is unmapped, and could be shown again */
	CHECK_EQ(munmap(q + FEW / 2 * PAGE, FEW / 2 * PAGE), 0);
	CHECK_EQ(uhmm_migrate_why(u, to, FEW * PAGE, dev, why), 0);
	CHECK_EQ(why[0], UHMM_WHY_SHARED);
	CHECK_EQ(munmap(q, FEW / 2 * PAGE), 0);
	test_move(u, to, FEW, dev);

	CHECK_EQ(uhmm_object_remove(u, to, FEW / 2 * PAGE), 0);
	CHECK_EQ(test_count_on(u, to, FEW, dev), FEW / 2);
	CHECK_EQ(uhmm_object_remove(u, to, (FEW + 1) * PAGE), -EINVAL);
	test_verify_zero(to, FEW / 2);
	CHECK_EQ(uhmm_object_discard(o, 0, FEW * PAGE), 0);
	test_verify_zero(to, FEW);
	test_fill(to, FEW, 12);
	test_move(u, to, FEW, dev);
	CHECK_EQ(munmap(to, FEW * PAGE), 0);
	CHECK_EQ(uhmm_object_is_mapped(o), 0);
	home = test_stats(u).to_ram;
	CHECK_EQ(uhmm_object_destroy(o), 0);
	CHECK_EQ(test_stats(u).to_ram, home); /* dropped */
}

/* Memory was cut before the program adopts it: what is there is one object. */
static void cut_before(void)
{
	char *p = test_shared(FEW), *q;
	struct uhmm_object *o;

	test_fill(p, FEW, 21);
	CHECK_EQ(munmap(p, FEW / 2 * PAGE), 0);
	p += FEW / 2 * PAGE;
	q = test_again(p, FEW / 2);
	/* and in the middle: two mappings that lie apart */
	CHECK_EQ(munmap(q + PAGE, PAGE), 0);
	o = test_adopt(u, p);
	test_move(u, p, FEW / 2, dev);
	CHECK_MEM(q, p, PAGE);
	CHECK_MEM(q + 2 * PAGE, p + 2 * PAGE, (FEW / 2 - 2) * PAGE);
	CHECK_EQ(*(uint64_t *)p, test_word(21, FEW / 2 * PAGE_WORDS));
	CHECK_EQ(uhmm_object_destroy(o), 0);
	CHECK_EQ(munmap(p, FEW / 2 * PAGE), 0);
}

/* Longer by mremap(2), a mapping shows no more than the object has. */
static void longer(void)
{
	char *p = test_shared(FEW), *other = test_shared(FEW), *long_one;
	struct uhmm_object *o, *next;

	test_fill(p, FEW, 21);
	test_fill(other, FEW, 22);
	o = test_adopt(u, p);
	next = test_adopt(u, other);
	long_one = mremap(p, FEW * PAGE, 2 * NPAGES * PAGE, MREMAP_MAYMOVE);
	CHECK(long_one != MAP_FAILED);
	test_move(u, other, FEW, dev);
	CHECK_EQ(uhmm_object_remove(u, long_one, 2 * NPAGES * PAGE), -EINVAL);
	test_verify(long_one, FEW, 21);
	test_verify(other, FEW, 22);
	CHECK_EQ(uhmm_object_remove(u, long_one, FEW * PAGE), 0);
	CHECK_EQ(*(uint64_t *)long_one, 0);
	CHECK_EQ(munmap(long_one, 2 * NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_object_destroy(o), 0);
	CHECK_EQ(uhmm_object_destroy(next), 0);
	CHECK_EQ(munmap(other, FEW * PAGE), 0);
}

int main(void)
{
	test_catch(SIGSEGV);
	u = test_open();
	dev = test_device(u, "ram:16M");
	several_mappings();
	longer();
	for (int i = 0; i < 3; i++) {
		changes();
		cut_before();
	}
	test_close(u);
	return 0;
}
