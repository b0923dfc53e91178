/* Media types of requests and replies (RFC 9110, sections 8.3 and 12.5.1). */
#include "api/exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool kr_media_is(const char *content_type, const char *media)
{
    const size_t length = strlen(media);
    return strncasecmp(content_type, media, length) == 0 &&
           strspn(content_type + length, " \t") == strcspn(content_type + length, ";");
}

/* How specifically a range ("text/" and a star) names the media type: 3 itself, 2 its family, 1 anything, 0
 * not at all. */
static int match(const char *range, size_t length, const char *media)
{
    const size_t family = strcspn(media, "/");
    if (length == strlen(media) && strncasecmp(range, media, length) == 0)
        return 3;
    if (length == family + 2 && strncasecmp(range, media, family + 1) == 0 && range[length - 1] == '*')
        return 2;
    return length == 3 && strncmp(range, "*/*", 3) == 0;
}

static double quality(const char *parameters, size_t length)
{
    for (size_t i = 0; i + 2 < length; i++)
        if (parameters[i] == ';') {
            size_t j = i + 1 + strspn(parameters + i + 1, " \t");
            if (j + 1 < length && (parameters[j] == 'q' || parameters[j] == 'Q') && parameters[j + 1] == '=')
                return strtod(parameters + j + 2, NULL);
        }
    return 1;
}

double kr_accepts(const char *text, const char *media)
{
    int best = 0;
    double q = 0;
    if (!text || !*text)
        return 1;
    while (*text) {
        const size_t entry = strcspn(text, ","), start = strspn(text, " \t");
        size_t length = strcspn(text, ",; \t");
        if (start < entry)
            length = strcspn(text + start, ",; \t");
        const int specific = match(text + start, length, media);
        if (specific > best) {
            best = specific;
            q = quality(text + start + length, entry - start - length + (start > entry));
        }
        text += entry;
        text += *text == ',';
    }
    return best > 0 ? q : 0;
}
