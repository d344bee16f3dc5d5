#include "os/file.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_read(const char *path, struct text *out, struct error *error)
{
    char chunk[16 * 1024];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(error, errno, "cannot open %s", path);
    for (;;) {
        const ssize_t size = read(fd, chunk, sizeof chunk);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0) {
            error_set_errno(error, errno, "cannot read %s", path);
            close(fd);
            return false;
        }
        if (size == 0)
            break;
        text_append(out, (struct slice){.data = chunk, .size = (size_t)size});
        if (out->failed) {
            close(fd);
            return error_set(error, ERROR_LIMIT, "%s is larger than %zu bytes", path, out->limit);
        }
    }
    close(fd);
    return true;
}

static bool write_all(int fd, struct slice content)
{
    while (content.size > 0) {
        const ssize_t size = write(fd, content.data, content.size);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return false;
        ASSERT((size_t)size <= content.size);
        content.data += size;
        content.size -= (size_t)size;
    }
    return true;
}

/* The rename itself must survive a power cut too. */
static bool sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        (void)snprintf(folder, sizeof folder, ".");
    else
        slash[slash == folder ? 1 : 0] = '\0';
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool done = fsync(fd) == 0;
    close(fd);
    return done;
}

bool file_replace(const char *path, uint32_t mode, struct slice content, struct error *error)
{
    char beside[PATH_MAX];
    const int length = snprintf(beside, sizeof beside, "%s.new", path);
    if (length < 0 || (size_t)length >= sizeof beside)
        return error_set(error, ERROR_USAGE, "path '%s' is too long", path);
    const int fd =
        open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, (mode_t)mode);
    if (fd < 0)
        return error_set_errno(error, errno, "cannot create %s", beside);
    bool done = write_all(fd, content) && fsync(fd) == 0;
    int cause = errno;
    if (close(fd) != 0 && done) {
        done = false;
        cause = errno;
    }
    if (done && rename(beside, path) != 0) {
        done = false;
        cause = errno;
    }
    if (!done) {
        (void)unlink(beside);
        return error_set_errno(error, cause, "cannot write %s", path);
    }
    if (!sync_folder_of(path))
        return error_set_errno(error, errno, "cannot sync the folder of %s", path);
    return true;
}

bool file_make_folder(const char *path, uint32_t mode, struct error *error)
{
    char partial[PATH_MAX];
    const int length = snprintf(partial, sizeof partial, "%s", path);
    if (length <= 0 || (size_t)length >= sizeof partial)
        return error_set(error, ERROR_USAGE, "path '%s' is empty or too long", path);
    for (char *at = partial + 1;; at++) {
        const char end = *at;
        if (end != '/' && end != '\0')
            continue;
        *at = '\0';
        /* Parents get the usual mode, the folder itself the one asked for. */
        if (mkdir(partial, end == '\0' ? (mode_t)mode : 0755) != 0 && errno != EEXIST)
            return error_set_errno(error, errno, "cannot make folder %s", partial);
        *at = end;
        if (end == '\0')
            break;
    }
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode))
        return error_set(error, ERROR_SYSTEM, "%s is not a folder", path);
    return true;
}
