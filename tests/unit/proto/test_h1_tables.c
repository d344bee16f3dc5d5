/*
 * The tables of the parser: methods, status reasons, faults, known names.
 */
#include <stdio.h>

#include "base/check.h"
#include "proto/h1.h"
#include "unit.h"

START_TEST(test_methods)
{
    for (int i = H1_METHOD_OTHER + 1; i < H1_METHOD_COUNT; i++) {
        const char *text = h1_method_text((enum h1_method)i);
        ck_assert_uint_gt(strlen(text), 0);
        ck_assert_int_eq(h1_method_of(slice_of(text)), i);
    }
    ck_assert_str_eq(h1_method_text(H1_METHOD_OTHER), "");
    ck_assert_int_eq(h1_method_of(SLICE("get")), H1_METHOD_OTHER);
    ck_assert_int_eq(h1_method_of(SLICE("")), H1_METHOD_OTHER);
    ck_assert_int_eq(h1_method_of(SLICE("GETS")), H1_METHOD_OTHER);
}
END_TEST

START_TEST(test_reasons)
{
    ck_assert_str_eq(h1_status_reason(100), "Continue");
    ck_assert_str_eq(h1_status_reason(200), "OK");
    ck_assert_str_eq(h1_status_reason(502), "Bad Gateway");
    ck_assert_str_eq(h1_status_reason(511), "Network Authentication Required");
    ck_assert_str_eq(h1_status_reason(299), "");
    ck_assert_str_eq(h1_status_reason(-1), "");
}
END_TEST

/* Each fault has a status with a reason, a label of its own, and a sentence. */
START_TEST(test_faults)
{
    for (int i = 0; i < H1_FAULT_COUNT; i++) {
        const char *name = h1_fault_name((enum h1_fault)i);
        const int status = h1_fault_status((enum h1_fault)i);
        ck_assert_uint_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        ck_assert_uint_gt(strlen(h1_fault_text((enum h1_fault)i)), 5);
        ck_assert(i == H1_FAULT_NONE || (status >= 400 && status <= 505));
        ck_assert_str_ne(h1_status_reason(status), "");
        for (int j = 0; j < i; j++) {
            ck_assert_str_ne(name, h1_fault_name((enum h1_fault)j));
        }
    }
}
END_TEST

static const struct {
    enum h1_id id;
    const char *name;
} known[] = {
    {H1_ID_TE, "TE"},
    {H1_ID_AGE, "Age"},
    {H1_ID_VIA, "Via"},
    {H1_ID_DATE, "Date"},
    {H1_ID_HOST, "Host"},
    {H1_ID_RANGE, "Range"},
    {H1_ID_ACCEPT, "Accept"},
    {H1_ID_COOKIE, "Cookie"},
    {H1_ID_EXPECT, "Expect"},
    {H1_ID_SERVER, "Server"},
    {H1_ID_REFERER, "Referer"},
    {H1_ID_TRAILER, "Trailer"},
    {H1_ID_UPGRADE, "Upgrade"},
    {H1_ID_FORWARDED, "Forwarded"},
    {H1_ID_CONNECTION, "Connection"},
    {H1_ID_KEEP_ALIVE, "Keep-Alive"},
    {H1_ID_SET_COOKIE, "Set-Cookie"},
    {H1_ID_USER_AGENT, "User-Agent"},
    {H1_ID_RETRY_AFTER, "Retry-After"},
    {H1_ID_CONTENT_TYPE, "Content-Type"},
    {H1_ID_MAX_FORWARDS, "Max-Forwards"},
    {H1_ID_X_REQUEST_ID, "X-Request-Id"},
    {H1_ID_AUTHORIZATION, "Authorization"},
    {H1_ID_CACHE_CONTROL, "Cache-Control"},
    {H1_ID_CONTENT_RANGE, "Content-Range"},
    {H1_ID_CONTENT_LENGTH, "Content-Length"},
    {H1_ID_HTTP2_SETTINGS, "HTTP2-Settings"},
    {H1_ID_X_FORWARDED_FOR, "X-Forwarded-For"},
    {H1_ID_CONTENT_ENCODING, "Content-Encoding"},
    {H1_ID_PROXY_CONNECTION, "Proxy-Connection"},
    {H1_ID_X_FORWARDED_HOST, "X-Forwarded-Host"},
    {H1_ID_X_FORWARDED_PROTO, "X-Forwarded-Proto"},
    {H1_ID_TRANSFER_ENCODING, "Transfer-Encoding"},
    {H1_ID_PROXY_AUTHORIZATION, "Proxy-Authorization"},
};

START_TEST(test_ids)
{
    ck_assert_uint_eq(COUNT_OF(known), H1_ID_COUNT - 1);
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        const struct slice name = slice_of(known[i].name);
        ck_assert_int_eq(h1_id_of(name), known[i].id);
        /* In a head, where sixteen bytes can be looked at; in capitals; and one byte changed. */
        char text[128];
        for (size_t at = 0; at <= name.size; at++) {
            int size = snprintf(text, sizeof(text),
                                "GET / HTTP/1.0\r\n%s: 1\r\n\r\n0123456789012345", known[i].name);
            char *changed = text + strlen("GET / HTTP/1.0\r\n");
            for (size_t k = 0; k < name.size; k++) {
                changed[k] =
                    (char)(changed[k] >= 'a' && changed[k] <= 'z' ? changed[k] ^ 0x20 : changed[k]);
            }
            if (at < name.size) {
                changed[at] = '~';
            }
            struct h1_request request;
            uint32_t scanned = 0;
            (void)h1_parse_request(text, (size_t)size, &H1_LIMITS_DEFAULT, &scanned, &request);
            const enum h1_id id = request.head.headers[0].id;
            ck_assert_int_eq(id, at < name.size ? H1_ID_OTHER : known[i].id);
            changed[name.size] = '\0';
            ck_assert_int_eq(h1_id_of(slice_of(changed)), id);
        }
    }
    ck_assert_int_eq(h1_id_of(SLICE("")), H1_ID_OTHER);
    ck_assert_int_eq(h1_id_of(SLICE("H\x0fst")), H1_ID_OTHER);
    ck_assert_int_eq(h1_id_of(SLICE("keep\ralive")), H1_ID_OTHER);
    ck_assert_int_eq(h1_id_of(SLICE("X-Forwarded-For-Somebody-Else")), H1_ID_OTHER);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_methods);
    tcase_add_test(c, test_reasons);
    tcase_add_test(c, test_faults);
    tcase_add_test(c, test_ids);
}

UNIT_MAIN(tests)
