/* dispatch: from a request to its row of the table and back; callbacks for the http layer, whose `self` is
 * the api. */
#ifndef KRIGED_API_DISPATCH_H
#define KRIGED_API_DISPATCH_H

#include "api/http.h"

kr_http_handler kr_dispatch;
size_t kr_dispatch_max_body(void *self, const char *method, const char *path, const char *content_type,
                            bool *required);
char *kr_dispatch_problem(void *self, const struct kr_error *error, const char *request_id, size_t *length);

#endif
