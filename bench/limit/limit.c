/*
 * What the same work costs in C: the reference of the suite `c`.
 *
 * Writes the bytes that Varve writes (format version 1, see src/format/FORMAT.md) and reads them
 * back: a segment header, batches of at most 64 KiB, a CRC-32 over each. One thread, one buffer of
 * 1 MiB, write(2) and read(2); no index, no roll, no checkpoint, no callers: a limit, not a log.
 *
 *   cc -O3 -o limit limit.c -lz      or, without zlib:      cc -O3 -DOWN_CRC -o limit limit.c
 *
 * `limit FILE` does one run for each line on its standard input, so that it can take turns with
 * others, and answers each with a line of JSON:
 *
 *   append-os VALUE_BYTES RECORDS     a new FILE; write(2) for each buffer
 *   append-sync VALUE_BYTES RECORDS   the same, with fdatasync(2) after each write
 *   scan                              reads FILE, verifies each batch, visits each record
 *
 * An append creates the file inside its time, as the first append to a log does; FILE must not be
 * there. Anything unexpected ends the program with a sentence on its standard error.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the format is little-endian, and so must be the machine"
#endif

enum {
  BLOCK_BYTES = 1024 * 1024,            /* one write, one read */
  BATCH_TARGET_BYTES = 64 * 1024,       /* where a batch is closed */
  BATCH_BYTES_MAX = 16 * 1024 * 1024,   /* largest batch that is read */
  SEGMENT_HEADER_BYTES = 128,
  BATCH_HEADER_BYTES = 112,
  RECORD_HEADER_BYTES = 16,
  KEY_BYTES = 16,
  KEYS = 1000,                          /* different keys, as many as records of one call */
  VALUE_BYTES_MAX = BATCH_TARGET_BYTES - BATCH_HEADER_BYTES - RECORD_HEADER_BYTES - KEY_BYTES,
  KIND_DATA = 1,
  KIND_INDEX = 4,
  NO_KEY = 0xffff
};
static const uint32_t SEGMENT_MAGIC = 0x53565256; /* VRVS */
static const uint32_t BATCH_MAGIC = 0x42565256;   /* VRVB */
static const uint32_t CRC_MASK = 0xa282ead8;
static const uint64_t LOG_ID = 1, SEGMENT_ID = 2;
static const uint32_t EPOCH = 1;

/* ---- Little helpers ------------------------------------------------------------------------ */

static void put16(uint8_t *at, uint16_t value) { memcpy(at, &value, sizeof value); }
static void put32(uint8_t *at, uint32_t value) { memcpy(at, &value, sizeof value); }
static void put64(uint8_t *at, uint64_t value) { memcpy(at, &value, sizeof value); }

static uint16_t get16(const uint8_t *at) {
  uint16_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static uint32_t get32(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static uint64_t get64(const uint8_t *at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static void fail(const char *what) {
  if (errno == 0) fprintf(stderr, "limit: %s\n", what);
  else fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void expect(int holds, const char *what) {
  if (holds) return;
  errno = 0;
  fail(what);
}

static double monotonic_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static uint64_t wall_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- CRC-32, IEEE --------------------------------------------------------------------------- */

#if !defined(OWN_CRC)
#include <zlib.h>
static const char *const CRC_NAME = "zlib";
static void prepare_crc(void) {}
static uint32_t crc_of(const uint8_t *bytes, size_t length) {
  return (uint32_t)crc32(0, bytes, (uInt)length);
}
#else
/* 16 bytes at a time by 16 tables: for machines without zlib's header. */
static const char *const CRC_NAME = "own";
static uint32_t crc_tables[16][256];

static void prepare_crc(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
    crc_tables[0][byte] = crc;
  }
  for (int table = 1; table < 16; table++)
    for (int byte = 0; byte < 256; byte++) {
      uint32_t before = crc_tables[table - 1][byte];
      crc_tables[table][byte] = (before >> 8) ^ crc_tables[0][before & 0xff];
    }
}

static uint32_t crc_of(const uint8_t *bytes, size_t length) {
  uint32_t crc = 0xffffffff;
  for (; length >= 16; bytes += 16, length -= 16) {
    uint32_t first = get32(bytes) ^ crc;
    crc = 0;
    for (int at = 0; at < 4; at++) crc ^= crc_tables[15 - at][(first >> (8 * at)) & 0xff];
    for (int at = 4; at < 16; at++) crc ^= crc_tables[15 - at][bytes[at]];
  }
  for (; length > 0; bytes++, length--) crc = (crc >> 8) ^ crc_tables[0][(crc ^ *bytes) & 0xff];
  return ~crc;
}
#endif

/* The checksum that stands in the first 4 bytes, over those behind it. */
static uint32_t checksum(const uint8_t *bytes, size_t length) {
  return crc_of(bytes + 4, length - 4) ^ CRC_MASK;
}

/* ---- Append --------------------------------------------------------------------------------- */

/* Where the file that is being written ends, and what its batches say. */
struct writer {
  uint8_t *buffer;
  size_t used;
  uint64_t position; /* of the buffer in the file */
  uint64_t offset;   /* that the next record gets */
  uint64_t synced;   /* every offset below was fdatasynced */
};

static void encode_segment_header(uint8_t *at) {
  memset(at, 0, SEGMENT_HEADER_BYTES);
  put32(at + 4, SEGMENT_MAGIC);
  put16(at + 8, 1); /* version */
  put64(at + 16, LOG_ID);
  put64(at + 24, SEGMENT_ID);
  put32(at + 60, EPOCH);
  put64(at + 64, wall_ms());
  put32(at, checksum(at, SEGMENT_HEADER_BYTES));
}

/* Fills in the header of the batch at `at`, whose `count` records stand behind it. */
static void seal_batch(const struct writer *writer, uint8_t *at, size_t size, uint32_t count,
                       uint64_t now) {
  memset(at, 0, BATCH_HEADER_BYTES);
  put32(at + 4, BATCH_MAGIC);
  at[8] = 1; /* version */
  at[9] = KIND_DATA;
  put32(at + 12, (uint32_t)size);
  put32(at + 16, (uint32_t)(writer->position + (uint64_t)(at - writer->buffer)));
  put32(at + 20, EPOCH);
  put64(at + 24, LOG_ID);
  put64(at + 32, SEGMENT_ID);
  put64(at + 40, writer->offset);
  put32(at + 48, count - 1); /* last offset delta */
  put32(at + 52, count);
  put64(at + 56, now); /* append time */
  put64(at + 64, now); /* smallest create time */
  put64(at + 72, now); /* largest create time */
  put64(at + 80, writer->synced);
  put32(at, checksum(at, size));
}

/* Encodes one batch of at most `left` records; returns how many, 0 when the buffer is full. */
static uint64_t encode_batch(struct writer *writer, const uint8_t *keys, const uint8_t *value,
                             size_t value_bytes, uint64_t left) {
  const size_t record_bytes = RECORD_HEADER_BYTES + KEY_BYTES + value_bytes;
  const size_t room = BLOCK_BYTES - writer->used;
  const size_t limit = room < BATCH_TARGET_BYTES ? room : BATCH_TARGET_BYTES;
  if (limit < BATCH_HEADER_BYTES + record_bytes) return 0;
  const uint64_t now = wall_ms();
  uint8_t *const start = writer->buffer + writer->used;
  uint8_t *at = start + BATCH_HEADER_BYTES;
  uint8_t *const end = start + limit;
  uint32_t count = 0;
  while (count < left && at + record_bytes <= end) {
    put32(at, (uint32_t)record_bytes); /* flags: none */
    put32(at + 4, count);              /* offset delta */
    put32(at + 8, (uint32_t)now);
    put16(at + 12, (uint16_t)(now >> 32));
    put16(at + 14, KEY_BYTES);
    memcpy(at + RECORD_HEADER_BYTES, keys + (writer->offset + count) % KEYS * KEY_BYTES, KEY_BYTES);
    memcpy(at + RECORD_HEADER_BYTES + KEY_BYTES, value, value_bytes);
    at += record_bytes;
    count++;
  }
  seal_batch(writer, start, (size_t)(at - start), count, now);
  writer->used += (size_t)(at - start);
  writer->offset += count;
  return count;
}

static void write_buffer(struct writer *writer, int fd, int is_synced) {
  for (size_t from = 0; from < writer->used;) {
    ssize_t written = write(fd, writer->buffer + from, writer->used - from);
    if (written < 0) fail("write");
    from += (size_t)written;
  }
  writer->position += writer->used;
  writer->used = 0;
  if (!is_synced) return;
  if (fdatasync(fd) != 0) fail("fdatasync");
  writer->synced = writer->offset;
}

static void append(const char *file, uint8_t *buffer, int is_synced, size_t value_bytes,
                   uint64_t records) {
  static uint8_t keys[KEYS * KEY_BYTES + 1];
  static uint8_t value[VALUE_BYTES_MAX];
  expect(value_bytes <= VALUE_BYTES_MAX, "a record must fit a batch of 64 KiB");
  expect(records > 0 && records <= UINT32_MAX / (RECORD_HEADER_BYTES + KEY_BYTES + value_bytes + 1),
         "the file must stay below 4 GiB: positions are u32");
  for (int key = 0; key < KEYS; key++) sprintf((char *)keys + key * KEY_BYTES, "key-%012d", key);
  memset(value, 'a', value_bytes);

  const double start_ms = monotonic_ms();
  const int fd = open(file, O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (fd < 0) fail(file);
  struct writer writer = {.buffer = buffer, .used = SEGMENT_HEADER_BYTES};
  encode_segment_header(buffer);
  for (uint64_t left = records; left > 0;) {
    uint64_t added = encode_batch(&writer, keys, value, value_bytes, left);
    if (added == 0) write_buffer(&writer, fd, is_synced);
    left -= added;
  }
  write_buffer(&writer, fd, is_synced);
  const double ms = monotonic_ms() - start_ms;

  if (close(fd) != 0) fail("close");
  printf("{\"bytes\":%" PRIu64 ",\"records\":%" PRIu64 ",\"ms\":%.6f,\"crc\":\"%s\"}\n",
         writer.position, writer.offset, ms, CRC_NAME);
}

/* ---- Scan ----------------------------------------------------------------------------------- */

struct reader {
  uint64_t log_id, segment_id;
  uint64_t position;    /* of the next batch in the file */
  uint64_t next_offset; /* that it must begin with */
  uint64_t records;
  uint64_t touched; /* offsets, key and value lengths of all records: they were really visited */
};

static void read_segment_header(struct reader *reader, const uint8_t *at) {
  expect(get32(at + 4) == SEGMENT_MAGIC && get32(at) == checksum(at, SEGMENT_HEADER_BYTES),
         "no segment header");
  reader->log_id = get64(at + 16);
  reader->segment_id = get64(at + 24);
  reader->next_offset = get64(at + 32);
  reader->position = SEGMENT_HEADER_BYTES;
}

static void visit_records(struct reader *reader, const uint8_t *batch, size_t size) {
  const uint8_t *at = batch + BATCH_HEADER_BYTES + get16(batch + 102);
  const uint8_t *const end = batch + size;
  const uint32_t count = get32(batch + 52);
  for (uint32_t record = 0; record < count; record++) {
    expect(at + RECORD_HEADER_BYTES <= end, "a record header does not fit its batch");
    const size_t record_bytes = get32(at) & 0xffffff;
    const uint16_t key_field = get16(at + 14);
    const size_t key_bytes = key_field == NO_KEY ? 0 : key_field;
    expect(RECORD_HEADER_BYTES + key_bytes <= record_bytes && record_bytes <= (size_t)(end - at),
           "a record does not fit its batch");
    const size_t value_bytes = record_bytes - RECORD_HEADER_BYTES - key_bytes;
    reader->touched += reader->next_offset + get32(at + 4) + key_bytes + value_bytes;
    at += record_bytes;
  }
  expect(at == end, "bytes behind the last record of a batch");
  reader->records += count;
}

/* Takes the batch at `at` if all of it is there; returns its size, or 0. */
static size_t take_batch(struct reader *reader, const uint8_t *at, size_t available) {
  if (available < BATCH_HEADER_BYTES) return 0;
  const size_t size = get32(at + 12);
  expect(get32(at + 4) == BATCH_MAGIC && at[8] == 1, "no batch");
  expect(size >= BATCH_HEADER_BYTES && size <= BATCH_BYTES_MAX, "a batch of an impossible size");
  if (size > available) return 0;
  expect(get32(at) == checksum(at, size), "a wrong checksum");
  expect(get32(at + 16) == reader->position, "a batch of another position");
  expect(get64(at + 24) == reader->log_id && get64(at + 32) == reader->segment_id,
         "a batch of another file");
  expect(get64(at + 40) == reader->next_offset, "a batch of another offset");
  expect(at[9] == KIND_DATA || at[9] == KIND_INDEX, "a batch of a kind that is not written here");
  expect((get16(at + 10) & 7) == 0, "a compressed batch");
  if (at[9] == KIND_DATA) {
    visit_records(reader, at, size);
    reader->next_offset += get32(at + 48) + 1;
  }
  reader->position += size;
  return size;
}

static void scan(const char *file, uint8_t *buffer) {
  const double start_ms = monotonic_ms();
  const int fd = open(file, O_RDONLY);
  if (fd < 0) fail(file);
  struct reader reader = {0};
  size_t held = 0; /* the beginning of a batch, from the read before */
  for (;;) {
    const ssize_t got = read(fd, buffer + held, BLOCK_BYTES);
    if (got < 0) fail("read");
    if (got == 0) break;
    const size_t available = held + (size_t)got;
    size_t at = 0;
    if (reader.position == 0) {
      expect(available >= SEGMENT_HEADER_BYTES, "no segment header");
      read_segment_header(&reader, buffer);
      at = SEGMENT_HEADER_BYTES;
    }
    for (size_t size; (size = take_batch(&reader, buffer + at, available - at)) > 0;) at += size;
    held = available - at;
    expect(held < BATCH_BYTES_MAX, "a batch that does not end");
    memmove(buffer, buffer + at, held);
  }
  expect(held == 0, "the file ends inside a batch");
  const double ms = monotonic_ms() - start_ms;

  close(fd);
  printf("{\"bytes\":%" PRIu64 ",\"records\":%" PRIu64 ",\"ms\":%.6f,\"crc\":\"%s\"",
         reader.position, reader.records, ms, CRC_NAME);
  printf(",\"touched\":%" PRIu64 "}\n", reader.touched);
}

int main(int count, char **arguments) {
  expect(count == 2, "give it a file");
  const char *const file = arguments[1];
  uint8_t *const buffer = malloc(BATCH_BYTES_MAX + BLOCK_BYTES);
  if (buffer == NULL) fail("malloc");
  prepare_crc();
  setvbuf(stdout, NULL, _IOLBF, 0);
  char line[100];
  while (fgets(line, sizeof line, stdin) != NULL) {
    size_t value_bytes;
    uint64_t records;
    if (strcmp(line, "scan\n") == 0) scan(file, buffer);
    else if (sscanf(line, "append-os %zu %" SCNu64, &value_bytes, &records) == 2)
      append(file, buffer, 0, value_bytes, records);
    else if (sscanf(line, "append-sync %zu %" SCNu64, &value_bytes, &records) == 2)
      append(file, buffer, 1, value_bytes, records);
    else expect(0, "a line that it does not know");
  }
  return 0;
}
