/* The status table's columns, one function each. */
#include "kriged/base.h"

#include <string.h>

static const struct {
    const char *slug, *title;
    int http;
} rows[KR_STATUS_COUNT] = {
#define KR_STATUS_ROW(name, slug, http, title) {slug, title, http},
    KR_STATUS_TABLE(KR_STATUS_ROW)
#undef KR_STATUS_ROW
};

static int known(kr_status status)
{
    return (unsigned)status < KR_STATUS_COUNT ? (int)status : KR_INTERNAL;
}

const char *kr_status_slug(kr_status status)
{
    return rows[known(status)].slug;
}

const char *kr_status_title(kr_status status)
{
    return rows[known(status)].title;
}

int kr_status_http(kr_status status)
{
    return rows[known(status)].http;
}

kr_status kr_status_from_slug(const char *slug)
{
    for (int i = 0; i < KR_STATUS_COUNT; i++)
        if (strcmp(rows[i].slug, slug) == 0)
            return (kr_status)i;
    return KR_INTERNAL;
}
