/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };
enum { MAX_TEXT = 60 };

typedef struct {
    const uint8_t *data;
    size_t len;
} view;

typedef struct {
    uint64_t number;
    uint64_t integer;
    view bytes;
    unsigned wire;
} field;

/* Lengths stay below 128 (see MAX_TEXT), so that each is one byte. */
static size_t put_bytes(uint8_t *out, unsigned number, const void *data, size_t len)
{
    out[0] = (uint8_t)(number << 3 | WIRE_BYTES);
    out[1] = (uint8_t)len;
    memmove(out + 2, data, len);
    return len + 2;
}

static size_t put_string_value(uint8_t *out, const char *text)
{
    return put_bytes(out, 1, text, strlen(text));
}

size_t otlp_write_log(uint8_t *out, size_t capacity, const char *service, const char *body)
{
    uint8_t value[MAX_TEXT + 2], attribute[MAX_TEXT + 20], resource[MAX_TEXT + 24];
    uint8_t record[MAX_TEXT + 6], records[MAX_TEXT + 8], scope[MAX_TEXT + 10], resource_logs[2 * MAX_TEXT + 40];
    size_t len, resource_len;

    if (strlen(service) > MAX_TEXT - 30 || strlen(body) > MAX_TEXT - 30 || capacity < sizeof resource_logs + 2)
        return 0;

    len = put_string_value(value, service);
    resource_len = put_bytes(attribute, 1, "service.name", 12);
    resource_len += put_bytes(attribute + resource_len, 2, value, len);
    resource_len = put_bytes(resource, 1, attribute, resource_len);

    len = put_string_value(value, body);
    len = put_bytes(record, 5, value, len);
    len = put_bytes(records, 2, record, len);
    len = put_bytes(scope, 2, records, len);

    resource_len = put_bytes(resource_logs, 1, resource, resource_len);
    memcpy(resource_logs + resource_len, scope, len);
    return put_bytes(out, 1, resource_logs, resource_len + len);
}

static int get_varint(view *in, uint64_t *out)
{
    unsigned shift;
    *out = 0;
    for (shift = 0; shift < 64 && in->len > 0; shift += 7) {
        uint8_t byte = *in->data++;
        in->len--;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return 0;
    }
    return -1;
}

/* Returns 1 with the next field, 0 at the end, -1 if the bytes are malformed. */
static int next_field(view *in, field *out)
{
    uint64_t key, len;
    if (in->len == 0)
        return 0;
    if (get_varint(in, &key))
        return -1;
    out->number = key >> 3;
    out->wire = (unsigned)(key & 7);
    switch (out->wire) {
    case WIRE_VARINT:
        return get_varint(in, &out->integer) ? -1 : 1;
    case WIRE_FIXED64:
        len = 8;
        break;
    case WIRE_FIXED32:
        len = 4;
        break;
    case WIRE_BYTES:
        if (get_varint(in, &len))
            return -1;
        break;
    default:
        return -1;
    }
    if (len > in->len)
        return -1;
    out->bytes.data = in->data;
    out->bytes.len = (size_t)len;
    in->data += len;
    in->len -= (size_t)len;
    return 1;
}

/* AnyValue: a string or an integer; other kinds print as "?". */
static int print_value(FILE *out, view value)
{
    field f;
    int more;
    while ((more = next_field(&value, &f)) == 1) {
        if (f.number == 1 && f.wire == WIRE_BYTES)
            (void)fwrite(f.bytes.data, 1, f.bytes.len, out);
        else if (f.number == 3 && f.wire == WIRE_VARINT)
            (void)fprintf(out, "%lld", (long long)f.integer);
        else
            (void)fputc('?', out);
    }
    (void)fputc('\n', out);
    return more;
}

static int print_attribute(FILE *out, view attribute)
{
    field f;
    int more;
    while ((more = next_field(&attribute, &f)) == 1) {
        if (f.number == 1) {
            (void)fputs("  resource ", out);
            (void)fwrite(f.bytes.data, 1, f.bytes.len, out);
            (void)fputs(" = ", out);
        } else if (f.number == 2 && print_value(out, f.bytes)) {
            return -1;
        }
    }
    return more;
}

static int print_record(FILE *out, view record)
{
    field f;
    int more;
    while ((more = next_field(&record, &f)) == 1) {
        if (f.number != 5)
            continue;
        (void)fputs("  body = ", out);
        if (print_value(out, f.bytes))
            return -1;
    }
    return more;
}

typedef int (*visit_fn)(FILE *out, view message);

/* Calls `visit` for each sub-message with that number. */
static int for_each(FILE *out, view message, uint64_t number, visit_fn visit)
{
    field f;
    int more;
    while ((more = next_field(&message, &f)) == 1) {
        if (f.number == number && f.wire == WIRE_BYTES && visit(out, f.bytes))
            return -1;
    }
    return more;
}

static int print_resource(FILE *out, view resource)
{
    return for_each(out, resource, 1, print_attribute);
}

static int print_scope_logs(FILE *out, view scope_logs)
{
    return for_each(out, scope_logs, 2, print_record);
}

static int print_resource_logs(FILE *out, view resource_logs)
{
    if (for_each(out, resource_logs, 1, print_resource))
        return -1;
    return for_each(out, resource_logs, 2, print_scope_logs);
}

int otlp_print_logs(FILE *out, const uint8_t *data, size_t len)
{
    view request;
    request.data = data;
    request.len = len;
    return for_each(out, request, 1, print_resource_logs);
}
