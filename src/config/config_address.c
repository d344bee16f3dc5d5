#include "config/config_address.h"

#include "base/check.h"
#include "config/config_problem.h"

enum { HOSTNAME_MAX = 253, PORT_MAX = 65535 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Up to the first `c`; `rest` is what follows it, or empty with data NULL when there is no `c`. */
static struct slice cut(struct slice text, char c, struct slice *rest)
{
    const char *at = text.size == 0 ? NULL : memchr(text.data, c, text.size);
    if (at == NULL) {
        *rest = (struct slice){0};
        return text;
    }
    const size_t size = (size_t)(at - text.data);
    *rest = (struct slice){.data = at + 1, .size = text.size - size - 1};
    return (struct slice){.data = text.data, .size = size};
}

static bool is_label(struct slice text)
{
    if (text.size == 0 || text.size > CONFIG_NAME_MAX)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_letter(text.data[i]) && !is_digit(text.data[i]) && text.data[i] != '-')
            return false;
    }
    return text.data[0] != '-' && text.data[text.size - 1] != '-';
}

bool config_label_check(struct slice text, struct config_complaint *complaint)
{
    if (is_label(text))
        return true;
    if (text.size == 0)
        return config_complain(complaint, "is empty");
    if (text.size > CONFIG_NAME_MAX)
        return config_complain(complaint, "is '%s', longer than %d characters",
                               config_quote(text).text, CONFIG_NAME_MAX);
    char better[CONFIG_NAME_MAX + 1];
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];
        better[i] = (char)(c == '_' || c == '.' || c == ' ' ? '-' : c);
    }
    better[text.size] = '\0';
    const bool helps = is_label((struct slice){.data = better, .size = text.size});
    return config_complain(complaint,
                           "is '%s'; a name is letters, digits and '-' between them%s%s%s",
                           config_quote(text).text, helps ? "; did you mean '" : "",
                           helps ? better : "", helps ? "'?" : "");
}

bool config_ipv4_check(struct slice text)
{
    uint32_t parts = 0;
    struct slice rest = text;
    while (rest.data != NULL) {
        const struct slice part = cut(rest, '.', &rest);
        uint64_t value = 0;
        if (part.size > 3 || !slice_to_u64(part, &value) || value > 255)
            return false;
        if (part.size > 1 && part.data[0] == '0') /* Some read 010 as octal. */
            return false;
        parts++;
    }
    return parts == 4;
}

bool config_ipv6_check(struct slice text)
{
    uint32_t groups = 0;
    bool gap = false;
    size_t i = 0;
    if (text.size >= 2 && text.data[0] == ':') {
        if (text.data[1] != ':')
            return false;
        gap = true;
        i = 2;
    }
    while (i < text.size) {
        size_t end = i;
        while (end < text.size && is_hex(text.data[end]))
            end++;
        if (end < text.size && text.data[end] == '.') { /* The last four bytes as IPv4. */
            if (!config_ipv4_check((struct slice){.data = text.data + i, .size = text.size - i}))
                return false;
            groups += 2;
            break;
        }
        if (end == i || end - i > 4)
            return false;
        groups++;
        i = end;
        if (i == text.size)
            break;
        if (text.data[i] != ':' || i + 1 == text.size)
            return false;
        i++;
        if (text.data[i] == ':') {
            if (gap)
                return false;
            gap = true;
            i++;
        }
    }
    return gap ? groups < 8 : groups == 8;
}

bool config_hostname_check(struct slice text, struct config_complaint *complaint)
{
    struct slice rest = text;
    bool numeric = true; /* Digits and dots alone can only be an IPv4 address. */
    bool labels = text.size > 0 && text.size <= HOSTNAME_MAX;
    while (labels && rest.data != NULL) {
        const struct slice label = cut(rest, '.', &rest);
        labels = is_label(label);
        for (size_t i = 0; i < label.size; i++)
            numeric = numeric && is_digit(label.data[i]);
    }
    if (labels && (!numeric || config_ipv4_check(text)))
        return true;
    if (labels)
        return config_complain(complaint, "is '%s', which is not an IPv4 address",
                               config_quote(text).text);
    return config_complain(complaint, "is '%s', which is neither a host name nor an address",
                           config_quote(text).text);
}

/* "10.0.0.1" or "[::1]" in front of ":80"; the complaint offers `port` where one is missing. */
static bool address_split(struct slice text, struct slice *host, struct slice *port, bool *brackets)
{
    *brackets = text.size > 0 && text.data[0] == '[';
    if (*brackets) {
        struct slice inside = {.data = text.data + 1, .size = text.size - 1};
        struct slice rest;
        *host = cut(inside, ']', &rest);
        if (rest.data == NULL)
            return false;
        *port = (struct slice){0};
        if (rest.size == 0)
            return true;
        if (rest.data[0] != ':')
            return false;
        *port = (struct slice){.data = rest.data + 1, .size = rest.size - 1};
        return true;
    }
    *host = cut(text, ':', port);
    return true;
}

static bool port_set(struct slice text, uint16_t *port)
{
    uint64_t value = 0;
    if (text.size > 5 || !slice_to_u64(text, &value) || value == 0 || value > PORT_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

static bool missing_port(struct slice text, struct slice host, bool brackets,
                         struct config_complaint *complaint)
{
    uint16_t port = 0;
    if (!brackets && port_set(host, &port))
        return config_complain(complaint, "is '%s'; did you mean '0.0.0.0:%u'?",
                               config_quote(text).text, port);
    return config_complain(complaint, "is '%s', which has no port; did you mean '%s:80'?",
                           config_quote(text).text, config_quote(text).text);
}

bool config_address_set(struct config_address *address, struct slice text, struct arena *arena,
                        struct config_complaint *complaint)
{
    struct slice host;
    struct slice port;
    bool brackets;
    if (!address_split(text, &host, &port, &brackets))
        return config_complain(complaint, "is '%s'; IPv6 is written [ADDRESS]:PORT",
                               config_quote(text).text);
    if (!brackets && config_ipv6_check(text))
        return config_complain(complaint, "is '%s'; did you mean '[%s]:80'?",
                               config_quote(text).text, config_quote(text).text);
    if (brackets && !config_ipv6_check(host))
        return config_complain(complaint, "is '%s', in which '%s' is not an IPv6 address",
                               config_quote(text).text, config_quote(host).text);
    if (port.data == NULL && host.size > 0)
        return missing_port(text, host, brackets, complaint);
    if (!brackets && host.size == 0)
        return config_complain(complaint, "is '%s', which names no host; did you mean '0.0.0.0%s'?",
                               config_quote(text).text, config_quote(text).text);
    if (!port_set(port, &address->port))
        return config_complain(complaint, "is '%s', in which '%s' is not a port (1 to %d)",
                               config_quote(text).text, config_quote(port).text, PORT_MAX);
    if (!brackets && !config_hostname_check(host, complaint))
        return false;
    address->text = arena_text(arena, text);
    address->host = arena_text(arena, host);
    if (address->text == NULL || address->host == NULL)
        return config_complain(complaint, "does not fit into memory");
    return true;
}

bool config_ssh_check(struct slice text, struct config_complaint *complaint)
{
    struct slice host;
    const struct slice first = cut(text, '@', &host);
    if (host.data == NULL) {
        host = text;
    } else {
        bool good = first.size > 0 && first.size <= 32 && first.data[0] != '-';
        for (size_t i = 0; i < first.size; i++) {
            const char c = first.data[i];
            good = good && (is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.');
        }
        if (!good)
            return config_complain(complaint, "is '%s', in which '%s' is not the name of a user",
                                   config_quote(text).text, config_quote(first).text);
    }
    if (config_ipv6_check(host))
        return true;
    struct slice name;
    struct slice port;
    bool brackets;
    uint16_t number = 0;
    const bool split = address_split(host, &name, &port, &brackets);
    if (!split || (brackets && !config_ipv6_check(name)))
        return config_complain(complaint, "is '%s'; it is written [USER@]HOST[:PORT]",
                               config_quote(text).text);
    if (port.data != NULL && !port_set(port, &number))
        return config_complain(complaint, "is '%s', in which '%s' is not a port (1 to %d)",
                               config_quote(text).text, config_quote(port).text, PORT_MAX);
    return brackets || config_hostname_check(name, complaint);
}
