// SPDX-License-Identifier: MIT
/*
 * own-provider.c - a device in two functions.
 *
 * The device keeps its pages with every bit inverted, so that a page that comes
 * back is right only if both functions ran.  A real device would start a DMA
 * engine here.  The core serializes the calls and remembers which device page
 * holds which page.
 * cc -o own-provider own-provider.c $(pkg-config --cflags --libs uhmm)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uhmm/provider.h>

#define NPAGES 256
#define LEN    (NPAGES * uhmm_page_size())

static void invert(unsigned char *dst, const unsigned char *src, size_t npages)
{
	for (size_t i = 0; i < npages * uhmm_page_size(); i++)
		dst[i] = (unsigned char)~src[i];
}

static int copy_to_devmem(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	unsigned char *memory = priv;

	for (; nr; seg++, nr--)
		invert(memory + seg->dpfn * uhmm_page_size(), seg->ram,
		       seg->npages);
	return 0;
}

static int copy_to_ram(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	const unsigned char *memory = priv;

	for (; nr; seg++, nr--)
		invert(seg->ram, memory + seg->dpfn * uhmm_page_size(),
		       seg->npages);
	return 0;
}

static const struct uhmm_device_ops ops = {
	.size = sizeof(ops),
	.copy_to_devmem = copy_to_devmem,
	.copy_to_ram = copy_to_ram,
};

static const struct uhmm_device_desc desc = {
	.size = sizeof(desc),
	.name = "inverter",
	.type = UHMM_MEMORY_DEVICE_PRIVATE,
	.npages = NPAGES,
	.ops = &ops,
};

int main(void)
{
	void *memory = uhmm_provider_alloc(LEN); /* never managed */
	char *data = aligned_alloc(uhmm_page_size(), LEN);
	struct uhmm_device *dev;
	struct uhmm *u;
	size_t wrong = 0;

	if (!memory || !data || uhmm_open(NULL, &u) ||
	    uhmm_device_add(u, &desc, memory, &dev))
		return 1;
	memset(data, 'u', LEN);
	printf("%zd of %d pages went to the device\n",
	       uhmm_migrate(u, data, LEN, dev), NPAGES);
	for (size_t i = 0; i < LEN;
	     i++) /* the first touch of each page faults */
		wrong += data[i] != 'u';
	printf("%zu bytes came back wrong\n", wrong);
	return uhmm_close(u) || wrong ? 1 : 0;
}
