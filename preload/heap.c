// SPDX-License-Identifier: MIT
/*
 * The malloc family of the program, answered by jemalloc.
 *
 * Once a thread has an arena of ours it calls jemalloc's own malloc(), found by
 * dlsym() as ours has the same name.  Blocks of LARGE bytes and more begin on a
 * page, which jemalloc alone would not do: so a page holds one block's data.
 *
 * Where the kernel's faults are not served, libc's own allocations lie outside
 * managed memory: libc passes its streams' buffers to the kernel by calls that
 * no wrapper sees.
 *
 * dlsym() itself allocates, and so do constructors that run before ours: they
 * get memory of the bootstrap buffer, which is never freed.
 */
#include <dlfcn.h>
#include <jemalloc/jemalloc.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "preload.h"

#define LARGE	       ((size_t)16 << 10)
#define LEAST	       ((size_t)16) /* for less, jemalloc aligns to 8 bytes */
#define BOOTSTRAP_SIZE ((size_t)1 << 20)
#define BOOTSTRAP_STEP ((size_t)16)

__thread struct thread thread;

static void early_free(void *p)
{
	dallocx(p, 0);
}

static size_t early_usable(void *p)
{
	return sallocx(p, 0);
}

/*
 * The initial functions serve blocks of jemalloc's operator new, which a
 * constructor that runs before ours may free.
 */
static struct {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void (*free)(void *);
	size_t (*usable)(void *);
	void *lib;
} je = { .free = early_free, .usable = early_usable };

static _Atomic bool je_found;

/* ---- Before jemalloc --------------------------------------------------- */

static _Alignas(4096) char bootstrap[BOOTSTRAP_SIZE];
static _Atomic size_t bootstrap_used;

static bool is_bootstrap(const void *p)
{
	return (uintptr_t)p - (uintptr_t)bootstrap < sizeof(bootstrap);
}

/* The buffer is zeroed and used once.  The size is stored before the block. */
static void *bootstrap_alloc(size_t n, size_t align)
{
	size_t old, start;

	if (align < BOOTSTRAP_STEP)
		align = BOOTSTRAP_STEP;
	if (n > BOOTSTRAP_SIZE || align > PAGE)
		goto none;
	old = atomic_load(&bootstrap_used);
	do {
		start = (old + sizeof(size_t) + align - 1) & ~(align - 1);
		if (start + n > BOOTSTRAP_SIZE)
			goto none;
	} while (!atomic_compare_exchange_weak(&bootstrap_used, &old,
					       start + n));
	memcpy(bootstrap + start - sizeof(size_t), &n, sizeof(n));
	return bootstrap + start;
none:
	errno = ENOMEM;
	return NULL;
}

static size_t bootstrap_size(const void *p)
{
	size_t n;

	memcpy(&n, (const char *)p - sizeof(n), sizeof(n));
	return n;
}

/* ---- jemalloc ---------------------------------------------------------- */

void heap_init(void)
{
	void *lib;

	if (atomic_load(&je_found))
		return;
	lib = dlopen("libjemalloc.so.2", RTLD_LAZY | RTLD_NOLOAD);
	if (!lib)
		return;
	je.malloc = dlsym(lib, "malloc");
	je.calloc = dlsym(lib, "calloc");
	je.realloc = dlsym(lib, "realloc");
	je.free = dlsym(lib, "free");
	je.usable = dlsym(lib, "malloc_usable_size");
	je.lib = lib;
	if (je.malloc && je.calloc && je.realloc && je.free && je.usable)
		atomic_store(&je_found, true);
}

void *heap_find(const char *name)
{
	return je.lib ? dlsym(je.lib, name) : NULL;
}

/* Find jemalloc early if constructors before ours need half of the buffer. */
static bool is_found(void)
{
	static _Atomic bool trying;

	if (likely(atomic_load_explicit(&je_found, memory_order_acquire)))
		return true;
	if (atomic_load(&bootstrap_used) < BOOTSTRAP_SIZE / 2 ||
	    atomic_exchange(&trying, true))
		return false;
	heap_init();
	return atomic_load(&je_found);
}

/* A larger block belongs to the program, even if libc allocates it. */
#define LIBC_MOST ((size_t)64 << 10)

static bool is_for_libc(size_t n, const void *caller)
{
	return settings.calls && n <= LIBC_MOST && map_is_libc(caller);
}

/* The flags for mallocx(): @n bytes, for this thread. */
static int flags_for(size_t n, size_t align, const void *caller)
{
	int flags = 0;

	if (n >= LARGE && align < PAGE)
		align = PAGE;
	if (align)
		flags |= MALLOCX_ALIGN(align);
	if (thread.inside || unlikely(is_for_libc(n, caller)))
		flags |= MALLOCX_ARENA(0) | MALLOCX_TCACHE_NONE;
	else if (!thread.has_arena)
		arena_assign();
	return flags;
}

static bool is_locked;

void heap_lock(bool locked)
{
	is_locked = locked;
}

/* Is jemalloc's own malloc() good enough, if libc is not the caller? */
static bool is_short(size_t n, size_t align, int flags)
{
	return n < LARGE && !align && !flags && thread.has_arena &&
	       !thread.inside;
}

static void *allocate(size_t n, size_t align, int flags, const void *caller)
{
	void *p;

	if (n < LEAST)
		n = LEAST;
	if (!is_found() || unlikely(is_locked && thread.inside))
		return bootstrap_alloc(n, align);
	if (settings.calls && is_short(n, align, flags) && !map_is_libc(caller))
		return je.malloc(n);
	p = mallocx(n, flags | flags_for(n, align, caller));
	if (!p)
		errno = ENOMEM;
	return p;
}

/* realloc() of a block in the bootstrap buffer. */
static void *move_out(void *old, size_t n)
{
	size_t old_n = bootstrap_size(old);
	void *p = allocate(n, 0, 0, NULL);

	return p ? memcpy(p, old, n < old_n ? n : old_n) : NULL;
}

/* As glibc: round up to a power of two; jemalloc would refuse. */
static size_t round_alignment(size_t align)
{
	size_t power = sizeof(void *);

	while (power < align && power <= SIZE_MAX / 2)
		power *= 2;
	return power;
}

static void *allocate_aligned(size_t align, size_t n)
{
	align = round_alignment(align);
	if (align > SIZE_MAX / 4) {
		errno = EINVAL;
		return NULL;
	}
	return allocate(n, align, 0, NULL);
}

#define CALLER __builtin_return_address(0)

/* ---- The family -------------------------------------------------------- */

EXPORT void *malloc(size_t n)
{
	if (likely(thread.ready && n < LARGE))
		return je.malloc(n < LEAST ? LEAST : n);
	return allocate(n, 0, 0, CALLER);
}

EXPORT void *calloc(size_t nr, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(nr, size, &n)) {
		errno = ENOMEM;
		return NULL;
	}
	if (likely(thread.ready && n < LARGE))
		return je.calloc(1, n < LEAST ? LEAST : n);
	return allocate(n, 0, MALLOCX_ZERO, CALLER);
}

/*
 * The bootstrap buffer is never freed.  A block of libc's own skips the
 * thread's cache: the program must not get it.
 */
static void free_special(void *p, const void *caller)
{
	if (!p || is_bootstrap(p))
		return;
	if (map_is_libc(caller))
		dallocx(p, MALLOCX_TCACHE_NONE);
	else
		je.free(p);
}

/*
 * Offsets below this from the bootstrap buffer take the slow way in free(): the
 * buffer, or all addresses where libc's blocks are told apart.
 */
static uintptr_t special_span = BOOTSTRAP_SIZE;

void heap_start(void)
{
	if (settings.calls)
		special_span = UINTPTR_MAX;
}

EXPORT void free(void *p)
{
	if (unlikely(!p || (uintptr_t)p - (uintptr_t)bootstrap < special_span))
		free_special(p, CALLER);
	else
		je.free(p);
}

EXPORT void *realloc(void *old, size_t n)
{
	void *p;

	if (!old)
		return allocate(n, 0, 0, CALLER);
	if (unlikely(is_bootstrap(old)))
		return move_out(old, n);
	if (unlikely(!n)) {
		free(old);
		return NULL;
	}
	if (n < LEAST)
		n = LEAST;
	if (likely(thread.ready && n < LARGE))
		return je.realloc(old, n);
	p = rallocx(old, n, is_found() ? flags_for(n, 0, CALLER) : 0);
	if (!p)
		errno = ENOMEM;
	return p;
}

EXPORT void *reallocarray(void *old, size_t nr, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(nr, size, &n)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, n);
}

EXPORT int posix_memalign(void **ret, size_t align, size_t n)
{
	int err = errno;
	void *p;

	if (align < sizeof(void *) || (align & (align - 1)))
		return EINVAL;
	p = allocate_aligned(align, n);
	errno = err;
	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

EXPORT void *memalign(size_t align, size_t n)
{
	return allocate_aligned(align, n);
}

EXPORT void *aligned_alloc(size_t align, size_t n)
{
	return allocate_aligned(align, n);
}

EXPORT void *valloc(size_t n)
{
	return allocate_aligned(PAGE, n);
}

EXPORT void *pvalloc(size_t n)
{
	if (n > SIZE_MAX - PAGE) {
		errno = ENOMEM;
		return NULL;
	}
	return allocate_aligned(PAGE, page_up(n));
}

EXPORT size_t malloc_usable_size(void *p)
{
	if (!p)
		return 0;
	return is_bootstrap(p) ? bootstrap_size(p) : je.usable(p);
}

/* The string is the program's data, though libc would allocate it. */
EXPORT char *strndup(const char *s, size_t most)
{
	size_t len = strnlen(s, most);
	char *p = allocate(len + 1, 0, 0, NULL);

	if (!p)
		return NULL;
	p[len] = '\0';
	return memcpy(p, s, len);
}

EXPORT char *strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = allocate(n, 0, 0, NULL);

	return p ? memcpy(p, s, n) : NULL;
}

/* ---- glibc's own names --------------------------------------------------- */

#define ALSO(type, name, params, of) \
	type name params;            \
	EXPORT type name params ALIAS_OF(of)

ALSO(void *, __libc_malloc, (size_t n), malloc);
ALSO(void *, __libc_calloc, (size_t nr, size_t size), calloc);
ALSO(void *, __libc_realloc, (void *old, size_t n), realloc);
ALSO(void *, __libc_memalign, (size_t align, size_t n), memalign);
ALSO(void *, __libc_valloc, (size_t n), valloc);
ALSO(void *, __libc_pvalloc, (size_t n), pvalloc);
ALSO(void, __libc_free, (void *p), free);
ALSO(void, cfree, (void *p), free);
ALSO(char *, __strdup, (const char *s), strdup);
ALSO(char *, __strndup, (const char *s, size_t most), strndup);
