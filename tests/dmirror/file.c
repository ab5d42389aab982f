/* SPDX-License-Identifier: MIT */
/*
 * file.c - open files: a mirror of the whole address space each.
 *
 * To the kernel an open file of ours is an empty memfd: it has a number of its
 * own, can be closed and inherited, and is known again by its inode.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dmirror.h"

#define DEVICE_PATH "/dev/hmm_dmirror"
#define GUP_PATH    "/sys/kernel/debug/gup_test"

/* ---- Mirrors ---------------------------------------------------------- */

static int mirror_open(struct file *f)
{
	struct shim *shim = shim_get();
	int err = context_open(shim);

	if (!err)
		err = device_open(f->device);
	if (!err)
		err = uhmm_mirror_add(shim->u, NULL, 0, f->device->dev,
				      &table_ops, f, &f->mirror);
	return err;
}

static void mirror_close(struct file *f)
{
	uhmm_mirror_remove(f->mirror);
	f->mirror = NULL;
}

/*
 * All pages of a device come home.  The mirrors on it go away for as long, and
 * lose their entries; one that is @closing does not come back.
 */
static int release(struct shim *shim, struct device *d, struct file *closing)
{
	int err;

	for (struct file *f = shim->files; f < shim->files + NR_FILES; f++) {
		if (f->kind != FILE_MIRROR || f->device != d)
			continue;
		pthread_mutex_lock(&f->op);
		mirror_close(f);
	}
	err = device_empty(d);
	for (struct file *f = shim->files; f < shim->files + NR_FILES; f++) {
		if (f->kind != FILE_MIRROR || f->device != d)
			continue;
		if (f != closing && mirror_open(f))
			err = err ? err : -ENOMEM;
		pthread_mutex_unlock(&f->op);
	}
	return err;
}

/* ---- Open and close --------------------------------------------------- */

struct file *file_find(int fd)
{
	struct shim *shim = shim_get();
	struct stat st;

	if (!shim_is_there() || fd < 0)
		return NULL;
	for (struct file *f = shim->files; f < shim->files + NR_FILES; f++) {
		if (f->kind == FILE_NONE || f->fd != fd)
			continue;
		if (fstat(fd, &st) || st.st_ino != f->inode)
			continue;
		return f;
	}
	return NULL;
}

static struct file *file_new(struct shim *shim)
{
	for (unsigned i = 0; i < NR_FILES; i++) {
		struct file *f = &shim->files[i];

		if (f->kind != FILE_NONE)
			continue;
		memset(f, 0, sizeof(*f));
		f->bounce = arena_bounce(i);
		f->nodes = arena_nodes(i);
		return f;
	}
	return NULL;
}

static void file_free(struct file *f)
{
	arena_drop(f->bounce, BOUNCE_SIZE);
	arena_drop(f->nodes, f->nodes_used);
	f->kind = FILE_NONE;
}

static int make_fd(struct file *f, const char *path, int flags)
{
	int seals = F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_GROW;
	struct stat st;

	f->fd = (int)syscall(SYS_memfd_create, path,
			     MFD_ALLOW_SEALING |
				     (flags & O_CLOEXEC ? MFD_CLOEXEC : 0));
	if (f->fd < 0)
		return -errno;
	if (fcntl(f->fd, F_ADD_SEALS, seals) || fstat(f->fd, &st)) {
		syscall(SYS_close, f->fd);
		return -EMFILE;
	}
	f->inode = st.st_ino;
	return 0;
}

static int file_init(struct shim *shim, struct file *f, int nr,
		     const char *path, int flags)
{
	int err;

	if (nr >= 0) {
		f->device = &shim->devices[nr];
		err = mirror_open(f);
		if (err)
			return err;
	}
	err = make_fd(f, path, flags);
	if (err) {
		mirror_close(f);
		return err;
	}
	f->kind = nr >= 0 ? FILE_MIRROR : FILE_GUP;
	return f->fd;
}

/* The device that a path names, -1 for gup_test, -2 for what is not ours. */
static int path_number(const char *path)
{
	size_t len = sizeof(DEVICE_PATH) - 1;

	if (!strcmp(path, GUP_PATH))
		return -1;
	if (strncmp(path, DEVICE_PATH, len) || path[len] < '0' ||
	    path[len] >= '0' + NR_DEVICES || path[len + 1])
		return -2;
	return path[len] - '0';
}

/* A descriptor; -ENXIO for a path that is not ours; or -errno. */
int file_open(const char *path, int flags)
{
	struct shim *shim = shim_get();
	struct file *f;
	int nr, ret;

	if (!path || !shim_is_there())
		return -ENXIO;
	nr = path_number(path);
	if (nr < -1)
		return -ENXIO;
	pthread_mutex_lock(&shim->lock);
	f = file_new(shim);
	ret = f ? file_init(shim, f, nr, path, flags) : -EMFILE;
	pthread_mutex_unlock(&shim->lock);
	return ret;
}

int file_close(struct file *f)
{
	struct shim *shim = shim_get();
	int fd = f->fd;

	pthread_mutex_lock(&shim->lock);
	if (f->kind == FILE_MIRROR)
		release(shim, f->device, f);
	file_free(f);
	pthread_mutex_unlock(&shim->lock);
	return (int)syscall(SYS_close, fd);
}

/* ---- Operations ------------------------------------------------------- */

static int operate(struct file *f, unsigned long request,
		   struct dmirror_cmd *cmd)
{
	if (!f->mirror)
		return -ENODEV;
	switch (request) {
	case DMIRROR_READ:
	case DMIRROR_READ_OPEN:
		return access_read(f, cmd);
	case DMIRROR_WRITE:
		return access_write(f, cmd);
	case DMIRROR_TO_DEV:
		return migrate_to_device(f, cmd);
	case DMIRROR_TO_SYS:
		return migrate_to_system(f, cmd);
	case DMIRROR_SNAPSHOT:
		return snapshot_take(f, cmd);
	case DMIRROR_EXCLUSIVE:
		return access_exclusive(f, cmd);
	case DMIRROR_IS_ATOMIC:
		return access_is_atomic(f, cmd);
	case DMIRROR_FLAGS:
		f->flags = cmd->npages;
		return 0;
	default:
		return -EINVAL;
	}
}

static int check(const struct dmirror_cmd *cmd)
{
	if (cmd->addr % PAGE || !cmd->npages || cmd->npages > UINT64_MAX / PAGE)
		return -EINVAL;
	if (cmd->addr + cmd->npages * PAGE <= cmd->addr)
		return -EINVAL;
	return cmd->npages * PAGE > BOUNCE_SIZE ? -ENOMEM : 0;
}

static int mirror_ioctl(struct file *f, unsigned long request, void *arg)
{
	struct shim *shim = shim_get();
	struct dmirror_cmd cmd;
	int err = copy_from_program(&cmd, (uintptr_t)arg, sizeof(cmd));

	if (!err)
		err = check(&cmd);
	if (err)
		return err;
	cmd.cpages = 0;
	cmd.faults = 0;
	if (request == DMIRROR_RELEASE) {
		pthread_mutex_lock(&shim->lock);
		err = release(shim, f->device, NULL);
		pthread_mutex_unlock(&shim->lock);
	} else {
		pthread_mutex_lock(&f->op);
		err = operate(f, request, &cmd);
		pthread_mutex_unlock(&f->op);
	}
	return err ? err : copy_to_program((uintptr_t)arg, &cmd, sizeof(cmd));
}

int file_ioctl(struct file *f, unsigned long request, void *arg)
{
	if (f->kind == FILE_GUP)
		return gup_ioctl(request, arg);
	return mirror_ioctl(f, request, arg);
}
