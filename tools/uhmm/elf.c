// SPDX-License-Identifier: MIT
/*
 * Can a library be preloaded into this ELF file?
 *
 * The file is not trusted: every offset is checked against its length.  Its
 * architecture and C library are compared with those of this tool, as the
 * preload library was built with the tool.
 */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"

struct image {
	const unsigned char *data;
	size_t len;
};

/* [offset, offset + len) of the file; NULL: the file is shorter. */
static const void *file_part(const struct image *im, uint64_t offset,
			     uint64_t len)
{
	if (offset > im->len || len > im->len - offset)
		return NULL;
	return im->data + offset;
}

/* The string at @offset; NULL: it does not end within the file. */
static const char *string(const struct image *im, uint64_t offset)
{
	if (offset >= im->len ||
	    !memchr(im->data + offset, 0, im->len - offset))
		return NULL;
	return (const char *)im->data + offset;
}

static const ElfW(Phdr) * headers(const struct image *im, size_t *ret_nr)
{
	const ElfW(Ehdr) *eh = file_part(im, 0, sizeof(*eh));

	if (!eh || eh->e_phentsize != sizeof(ElfW(Phdr)) ||
	    eh->e_phoff % _Alignof(ElfW(Phdr)))
		return NULL;
	*ret_nr = eh->e_phnum;
	return file_part(im, eh->e_phoff,
			 (uint64_t)eh->e_phnum * eh->e_phentsize);
}

static const ElfW(Phdr) * find_header(const struct image *im, uint32_t type)
{
	size_t nr = 0;
	const ElfW(Phdr) *ph = headers(im, &nr);

	for (size_t i = 0; ph && i < nr; i++)
		if (ph[i].p_type == type)
			return &ph[i];
	return NULL;
}

/* The file's offset of @addr, or its length if no segment has @addr. */
static uint64_t file_offset(const struct image *im, uint64_t addr)
{
	size_t nr = 0;
	const ElfW(Phdr) *ph = headers(im, &nr);

	for (size_t i = 0; ph && i < nr; i++)
		if (ph[i].p_type == PT_LOAD && addr >= ph[i].p_vaddr &&
		    addr - ph[i].p_vaddr < ph[i].p_filesz)
			return addr - ph[i].p_vaddr + ph[i].p_offset;
	return im->len;
}

static const char *interpreter(const struct image *im)
{
	const ElfW(Phdr) *ph = find_header(im, PT_INTERP);
	const char *path = ph ? string(im, ph->p_offset) : NULL;
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

static bool names_sanitizer(const char *name)
{
	static const char *const parts[] = {
		"libasan.so",	   "libtsan.so",    "libhwasan.so",
		"liblsan.so",	   "clang_rt.asan", "clang_rt.tsan",
		"clang_rt.hwasan", "clang_rt.msan",
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strstr(name, parts[i]))
			return true;
	return false;
}

/* Is a sanitizer's library among the needed ones? */
static bool needs_sanitizer(const struct image *im)
{
	const ElfW(Phdr) *ph = find_header(im, PT_DYNAMIC);
	const ElfW(Dyn) * dyn;
	uint64_t strings = im->len;
	size_t nr;

	dyn = ph ? file_part(im, ph->p_offset, ph->p_filesz) : NULL;
	if (!dyn || ph->p_offset % _Alignof(ElfW(Dyn)))
		return false;
	nr = ph->p_filesz / sizeof(*dyn);
	for (size_t i = 0; i < nr && dyn[i].d_tag != DT_NULL; i++)
		if (dyn[i].d_tag == DT_STRTAB)
			strings = file_offset(im, dyn[i].d_un.d_ptr);
	for (size_t i = 0; i < nr && dyn[i].d_tag != DT_NULL; i++) {
		const char *name = NULL;

		if (dyn[i].d_tag == DT_NEEDED &&
		    dyn[i].d_un.d_val < im->len - strings)
			name = string(im, strings + dyn[i].d_un.d_val);
		if (name && names_sanitizer(name))
			return true;
	}
	return false;
}

static bool is_sanitizer_symbol(const char *name)
{
	static const char *const names[] = {
		"__asan_init", "__hwasan_init", "__msan_init",
		"__tsan_init", "__lsan_init",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static bool table_has_sanitizer(const struct image *im, const ElfW(Shdr) * sym,
				const ElfW(Shdr) * str)
{
	const ElfW(Sym) *s = file_part(im, sym->sh_offset, sym->sh_size);

	if (!s || sym->sh_offset % _Alignof(ElfW(Sym)) ||
	    !file_part(im, str->sh_offset, str->sh_size))
		return false;
	for (size_t i = 0; i < sym->sh_size / sizeof(*s); i++) {
		const char *name;

		if (s[i].st_name >= str->sh_size)
			continue;
		name = string(im, str->sh_offset + s[i].st_name);
		if (name && is_sanitizer_symbol(name))
			return true;
	}
	return false;
}

/*
 * A sanitizer's run-time may be linked statically: clang does that by default.
 * With gcc only symbols that strip(1) removes show it.
 */
static bool contains_sanitizer(const struct image *im)
{
	const ElfW(Ehdr) *eh = file_part(im, 0, sizeof(*eh));
	const ElfW(Shdr) * sh;

	if (!eh || eh->e_shentsize != sizeof(*sh) ||
	    eh->e_shoff % _Alignof(ElfW(Shdr)))
		return false;
	sh = file_part(im, eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(*sh));
	for (size_t i = 0; sh && i < eh->e_shnum; i++)
		if ((sh[i].sh_type == SHT_DYNSYM ||
		     sh[i].sh_type == SHT_SYMTAB) &&
		    sh[i].sh_link < eh->e_shnum &&
		    table_has_sanitizer(im, &sh[i], &sh[sh[i].sh_link]))
			return true;
	return false;
}

static bool map_file(const char *path, struct image *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	void *p = MAP_FAILED;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd,
			 0);
	close(fd);
	if (p == MAP_FAILED)
		return false;
	*ret = (struct image){ p, (size_t)st.st_size };
	return true;
}

static void unmap_file(struct image *im)
{
	munmap((void *)im->data, im->len);
}

/* Compare machine and word size with this tool's own header in memory. */
static bool same_machine(const ElfW(Ehdr) * eh)
{
	extern const ElfW(Ehdr) __ehdr_start;

	return memcmp(eh->e_ident, __ehdr_start.e_ident, EI_VERSION) == 0 &&
	       eh->e_machine == __ehdr_start.e_machine;
}

/* Compare the name of the dynamic linker with this tool's. */
static bool same_libc(const char *name)
{
	struct image self;
	const char *own;
	bool same;

	if (!map_file("/proc/self/exe", &self))
		return true;
	own = interpreter(&self);
	same = !own || strcmp(own, name) == 0;
	unmap_file(&self);
	return same;
}

static enum elf_kind examine(const struct image *im)
{
	const ElfW(Ehdr) *eh = file_part(im, 0, sizeof(*eh));
	const char *interp;
	size_t nr;

	if (im->len < SELFMAG || memcmp(im->data, ELFMAG, SELFMAG) != 0)
		return ELF_NOT;
	if (!eh)
		return ELF_BROKEN;
	if (!same_machine(eh))
		return ELF_FOREIGN;
	if ((eh->e_type != ET_EXEC && eh->e_type != ET_DYN) ||
	    !headers(im, &nr))
		return ELF_BROKEN;
	interp = interpreter(im);
	if (!interp)
		return ELF_STATIC;
	if (!same_libc(interp))
		return ELF_LIBC;
	if (needs_sanitizer(im) || contains_sanitizer(im))
		return ELF_SANITIZER;
	return ELF_OK;
}

enum elf_kind elf_examine(const char *path)
{
	struct image im;
	enum elf_kind kind;

	if (!map_file(path, &im))
		return ELF_BROKEN;
	kind = examine(&im);
	unmap_file(&im);
	return kind;
}
