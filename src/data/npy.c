/*
 * Data sets as NPY files (format 1.0): the magic "\x93NUMPY", version, a header length, a Python dictionary
 * padded to a multiple of 64 bytes, and the numbers. So mapped numbers are aligned to 64 bytes, and
 * numpy.load reads the files. Source: NEP 1, "A simple file format for NumPy arrays".
 */
#include "kriged/data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the files are mapped as they are");

enum { PREFIX = 10, HEADER_MOST = 512, FILES = 3 };
static const char MAGIC[] = "\x93NUMPY\x01";
#define SHAPE "'shape': ("

/* rows = 0: one dimension. */
static size_t make_header(char *header, size_t rows, size_t cols)
{
    char shape[64];
    if (rows)
        snprintf(shape, sizeof shape, "%zu, %zu)", rows, cols);
    else
        snprintf(shape, sizeof shape, "%zu,)", cols);
    memset(header, ' ', HEADER_MOST);
    memcpy(header, MAGIC, sizeof MAGIC); /* with its end: the minor version 0 */
    int used = snprintf(header + PREFIX, HEADER_MOST - PREFIX,
                        "{'descr': '<f8', 'fortran_order': False, " SHAPE "%s, }", shape);
    header[PREFIX + used] = ' ';
    size_t size = ((size_t)(PREFIX + used) + 1 + 63) / 64 * 64;
    header[size - 1] = '\n';
    header[8] = (char)((size - PREFIX) & 255);
    header[9] = (char)((size - PREFIX) >> 8);
    return size;
}

static bool write_all(int fd, const void *data, size_t size)
{
    for (const char *at = data; size;) {
        ssize_t written = write(fd, at, size < (1u << 30) ? size : 1u << 30);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        at += written;
        size -= (size_t)written;
    }
    return true;
}

/* A file that could not be finished stays: its directory is the caller's to remove. */
static kr_status save_array(struct kr_ctx *ctx, int directory, const char *name, size_t rows, size_t cols,
                            const double *data)
{
    char header[HEADER_MOST];
    size_t size = make_header(header, rows, cols);
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return kr_fail(ctx, KR_STORAGE, "", "the data file %s cannot be made: %m", name);
    kr_status status = KR_OK;
    if (!write_all(fd, header, size) || !write_all(fd, data, (rows ? rows : 1) * cols * sizeof *data) ||
        fsync(fd))
        status = kr_fail(ctx, KR_STORAGE, "", "the data file %s cannot be written: %m", name);
    if (close(fd) && status == KR_OK)
        status = kr_fail(ctx, KR_STORAGE, "", "the data file %s cannot be closed: %m", name);
    return status;
}

static kr_status save_arrays(struct kr_ctx *ctx, int directory, const struct kr_dataset *data)
{
    KR_TRY(save_array(ctx, directory, "x.npy", data->d, data->n, data->x));
    const size_t targets = kr_dataset_targets(data);
    KR_TRY(save_array(ctx, directory, "y.npy", targets > 1 ? targets : 0, data->n, data->y));
    if (data->noise_variance)
        KR_TRY(save_array(ctx, directory, "noise.npy", 0, data->n, data->noise_variance));
    if (fsync(directory))
        return kr_fail(ctx, KR_STORAGE, "", "the data directory cannot be synced: %m");
    return KR_OK;
}

static kr_status open_directory(struct kr_ctx *ctx, const char *directory, int *out)
{
    *out = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *out < 0 ? kr_fail(ctx, KR_STORAGE, "", "the data directory cannot be opened: %m") : KR_OK;
}

kr_status kr_dataset_save(struct kr_ctx *ctx, const struct kr_dataset *data, const char *directory)
{
    int fd;
    KR_TRY(open_directory(ctx, directory, &fd));
    kr_status status = save_arrays(ctx, fd, data);
    close(fd);
    return status;
}

/* The mapped files. On the heap, so that a cached data set may outlive the context that mapped it. */
struct mapping {
    struct {
        void *at;
        size_t size;
    } files[FILES];
};

void kr_dataset_unmap(struct kr_dataset *data)
{
    struct mapping *mapping = data->mapping;
    if (!mapping)
        return;
    for (int i = 0; i < FILES; i++)
        if (mapping->files[i].at)
            munmap(mapping->files[i].at, mapping->files[i].size);
    free(mapping);
    data->mapping = NULL;
    data->x = data->y = data->noise_variance = NULL;
}

/* The whole file; *at stays NULL when an optional one does not exist. */
static kr_status map_file(struct kr_ctx *ctx, int directory, const char *name, bool optional, void **at,
                          size_t *size)
{
    struct stat info;
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && optional && errno == ENOENT)
        return KR_OK;
    if (fd < 0)
        return kr_fail(ctx, KR_STORAGE, "", "the data file %s cannot be opened: %m", name);
    kr_status status = KR_OK;
    void *memory = NULL;
    if (fstat(fd, &info))
        status = kr_fail(ctx, KR_STORAGE, "", "the data file %s cannot be read: %m", name);
    else if (!S_ISREG(info.st_mode) || info.st_size <= PREFIX)
        status = kr_fail(ctx, KR_INTERNAL, "", "the data file %s is damaged: it has no NPY header", name);
    else if ((memory = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED)
        status = kr_fail(ctx, KR_STORAGE, "", "the data file %s cannot be mapped: %m", name);
    close(fd);
    if (status != KR_OK)
        return status;
    *at = memory;
    *size = (size_t)info.st_size;
    return KR_OK;
}

/* Reads "a, b)" or "a,)": the number of dimensions, 0 when it is neither. */
static int parse_shape(const char *text, size_t shape[2])
{
    char *end;
    for (int i = 0; i < 2; i++) {
        if (*text < '0' || *text > '9')
            return 0;
        errno = 0;
        shape[i] = strtoull(text, &end, 10);
        if (errno)
            return 0;
        if (end[0] == ')')
            return i == 1 ? 2 : 0;
        if (end[0] == ',' && end[1] == ')')
            return i + 1;
        if (end[0] != ',' || end[1] != ' ')
            return 0;
        text = end + 2;
    }
    return 0;
}

/* What is wrong with a mapped file, or NULL. Its header must be, byte for byte, the one that save writes.
 * least, most: dimensions. shape: rows (1 where there are none) and columns. */
static const char *parse_file(const char *file, size_t size, int least, int most, size_t shape[2],
                              const double **data)
{
    char header[HEADER_MOST + 1], expected[HEADER_MOST];
    if (memcmp(file, MAGIC, sizeof MAGIC) != 0)
        return "it is not NPY 1.0";
    size_t length = PREFIX + ((unsigned char)file[8] | (size_t)(unsigned char)file[9] << 8), count;
    if (length > HEADER_MOST || length > size)
        return "its header has a wrong length";
    memcpy(header, file, length);
    header[length] = '\0';
    const char *at = strstr(header + PREFIX, SHAPE);
    const int found = at ? parse_shape(at + strlen(SHAPE), shape) : 0;
    if (found < least || found > most)
        return "it has a wrong number of dimensions";
    if (make_header(expected, found == 2 ? shape[0] : 0, shape[found - 1]) != length ||
        memcmp(expected, file, length) != 0)
        return "its header does not say little-endian doubles in C order";
    if (found == 1) {
        shape[1] = shape[0];
        shape[0] = 1;
    }
    if (__builtin_mul_overflow(shape[0], shape[1], &count) || count == 0 ||
        count > SIZE_MAX / sizeof(double) || count * sizeof(double) != size - length)
        return "its size does not match its shape";
    *data = (const double *)(const void *)(file + length);
    return NULL;
}

static kr_status map_files(struct kr_ctx *ctx, int directory, struct mapping *mapping, struct kr_dataset *out)
{
    static const char *const names[FILES] = {"x.npy", "y.npy", "noise.npy"};
    const double *data[FILES] = {NULL};
    size_t shape[FILES][2] = {{0}};
    for (int i = 0; i < FILES; i++) {
        KR_TRY(map_file(ctx, directory, names[i], i == 2, &mapping->files[i].at, &mapping->files[i].size));
        if (!mapping->files[i].at)
            continue;
        const char *wrong = parse_file(mapping->files[i].at, mapping->files[i].size, i == 0 ? 2 : 1,
                                       i < 2 ? 2 : 1, shape[i], &data[i]);
        if (!wrong && i > 0 && shape[i][1] != shape[0][1])
            wrong = "it has not as many rows as x.npy";
        if (wrong)
            return kr_fail(ctx, KR_INTERNAL, "", "the data file %s is damaged: %s", names[i], wrong);
    }
    out->d = shape[0][0];
    out->n = shape[0][1];
    out->x = data[0];
    out->y = data[1];
    out->targets = shape[1][0];
    out->noise_variance = data[2];
    return KR_OK;
}

kr_status kr_dataset_map(struct kr_ctx *ctx, const char *directory, struct kr_dataset *out)
{
    int fd;
    out->mapping = NULL;
    KR_TRY(open_directory(ctx, directory, &fd));
    struct mapping *mapping = calloc(1, sizeof *mapping);
    kr_status status = KR_OK;
    if (!mapping)
        status = kr_fail(ctx, KR_MEMORY_LIMIT, "", "the machine has no %zu bytes left", sizeof *mapping);
    else
        status = map_files(ctx, fd, mapping, out);
    close(fd);
    out->mapping = mapping;
    if (status != KR_OK)
        kr_dataset_unmap(out);
    return status;
}
