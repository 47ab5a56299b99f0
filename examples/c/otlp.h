/* SPDX-License-Identifier: Apache-2.0 */

/**
 * @file otlp.h
 *
 * As much of OTLP's protobuf as the example needs: it writes a request with one
 * log record and prints the attributes and bodies of a request. A program of
 * your own would use a protobuf library.
 */
#ifndef OTLP_H
#define OTLP_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/**
 * Writes an ExportLogsServiceRequest of one resource with the attribute
 * service.name and one log record.
 *
 * @param out       Receives the bytes.
 * @param capacity  Its size in bytes.
 * @param service   Value of service.name, zero-terminated, at most 60 bytes.
 * @param body      The record's body, zero-terminated, at most 60 bytes.
 * @return the number of bytes written, or 0 if something is too long.
 */
size_t otlp_write_log(uint8_t *out, size_t capacity, const char *service, const char *body);

/**
 * Prints the resource attributes and bodies of an ExportLogsServiceRequest.
 *
 * @return 0, or -1 if the bytes are malformed.
 */
int otlp_print_logs(FILE *out, const uint8_t *data, size_t len);

#endif
