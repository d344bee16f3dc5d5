#include "proto/h1_scan.h"

enum {
    TOKEN = H1_CLASS_TOKEN | H1_CLASS_TEXT,
    TEXT = H1_CLASS_TEXT,
    TARGET = H1_CLASS_TEXT | H1_CLASS_PATH | H1_CLASS_QUERY,
    HOST = H1_CLASS_HOST,
};

/*
 * Paths and queries take what RFC 3986 allows, and what browsers are known to send unescaped
 * (WHATWG URL: [ ] ^ ` { | } in both, '\' in a query). '"', '<', '>' and '#' never come from one.
 */
const uint8_t h1_class[256] = {
    ['\t'] = TEXT,
    [' '] = TEXT,
    ['!'] = TOKEN | TARGET,
    ['"'] = TEXT,
    ['#'] = TOKEN,
    ['$'] = TOKEN | TARGET,
    ['%'] = TOKEN | H1_CLASS_QUERY,
    ['&' ... '\''] = TOKEN | TARGET,
    ['(' ... ')'] = TARGET,
    ['*' ... '+'] = TOKEN | TARGET,
    [','] = TARGET,
    ['-' ... '.'] = TOKEN | TARGET | HOST,
    ['/'] = TARGET,
    ['0' ... '9'] = TOKEN | TARGET | HOST | H1_CLASS_DIGIT | H1_CLASS_HEX,
    [':' ... ';'] = TARGET,
    ['<'] = TEXT,
    ['='] = TARGET,
    ['>'] = TEXT,
    ['?'] = TEXT | H1_CLASS_QUERY,
    ['@'] = TARGET,
    ['A' ... 'F'] = TOKEN | TARGET | HOST | H1_CLASS_HEX,
    ['G' ... 'Z'] = TOKEN | TARGET | HOST,
    ['['] = TARGET,
    ['\\'] = TEXT | H1_CLASS_QUERY,
    [']'] = TARGET,
    ['^'] = TOKEN | TARGET,
    ['_'] = TOKEN | TARGET | HOST,
    ['`'] = TOKEN | TARGET,
    ['a' ... 'f'] = TOKEN | TARGET | HOST | H1_CLASS_HEX,
    ['g' ... 'z'] = TOKEN | TARGET | HOST,
    ['{'] = TARGET,
    ['|'] = TOKEN | TARGET,
    ['}'] = TARGET,
    ['~'] = TOKEN | TARGET | HOST,
    [0x80 ... 0xff] = TEXT,
};
