/*
 * config_print: the schema as people and editors read it. Each text is whole and made from the rows
 * alone, so that none of them can say what the parser does not do.
 *
 * The caller looks at text->failed.
 */
#pragma once

#include "base/text.h"

void config_print_reference(struct text *);   /* Markdown: docs/reference.md */
void config_print_man(struct text *);         /* scdoc: man/nines.yaml.5.scd */
void config_print_json_schema(struct text *); /* JSON Schema, draft 2020-12 */
