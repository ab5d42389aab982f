/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - tests of the kernel module, which run in a virtual machine.
 *
 * A test's arguments are the type of its device, "private" or "coherent", and
 * where the memory of a coherent one is; or "ring": a private device with a
 * driver, see driver.h.
 */
#ifndef UHMM_TESTS_KERNEL_H
#define UHMM_TESTS_KERNEL_H

#include "../test.h"
#include "uapi/uhmm_kmod.h"

#define PAGE	     4096UL
#define DEVICE_PAGES 32768UL /* what the kernel adds at least */

/* The device of this test; @fd is the file that added it. */
struct device {
	int fd;
	uint32_t id;
	uint32_t type;
	bool has_ring;
};

extern struct device device;

/* Adds the device; ends the test as skipped where the kernel has no such. */
void start(int argc, char **argv);

/* 0 or an error number; @ret_fd is a file that added a device. */
int add_device(uint32_t type, uint64_t npages, uint64_t phys, int *ret_fd,
	       uint32_t *ret_id);
int open_file(void);

/* ioctl(2); 0 or an error number. */
int call(int fd, unsigned long cmd, void *arg);

/* Memory of this process, without huge pages, and nothing in it. */
char *map_pages(size_t npages);

/* Each 8 bytes of a page are other ones, and those of another @seed too. */
void fill(char *at, size_t npages, unsigned int seed);
bool is_filled(const char *at, size_t npages, unsigned int seed);

/* How many pages moved; @why is NULL or has a place for each page. */
size_t move_pages_to(uint32_t to, void *at, size_t npages, uint8_t *why);
size_t out(void *at, size_t npages);
size_t home(void *at, size_t npages);
uint32_t where(void *at);
size_t count_away(void *at, size_t npages);
struct uhmmk_stat statistics(void);

/* All pages go out, and the driver has them, or the test fails. */
void all_out(char *at, size_t npages);

/* Unload the module; 0 or an error number. */
int unload(void);

/* The module can be unloaded, once a worker has given back its devices. */
void expect_unloaded(void);

/* The child ended with status 0, or the test fails. */
void expect_child(int pid);

#endif
