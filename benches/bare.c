/* Bare loops over libjpeg-turbo and libopus: the floor that `twocan bench units` stands on.
 *
 *   bare LOOP FILE BATCHES SIZE WIDTH HEIGHT    prints the µs of one turn, a line for each batch
 *
 * LOOP is encode (I420 to JPEG, quality 75), decode (to I420), rgb, opus-encode (48 kHz mono, 20 ms,
 * 24 kbit/s, complexity 5) or opus-decode (packets with a length byte before each).
 */
#include <opus/opus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <turbojpeg.h>

#define FRAME 960

static unsigned char *file;
static long bytes;
static int width, height;

static tjhandle jpeg;
static unsigned char *out;
static unsigned long room;
static OpusEncoder *encoder;
static OpusDecoder *decoder;
static unsigned char packet[1275];
static opus_int16 sound[5760];
static long at;

static void check(int good, const char *what) {
    if (!good) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

static void encode(void) {
    unsigned long length = room;
    check(tjCompressFromYUV(jpeg, file, width, 1, height, TJSAMP_420, &out, &length, 75, TJFLAG_NOREALLOC) == 0,
          "encode");
}

static void decode(void) {
    check(tjDecompressToYUV2(jpeg, file, bytes, out, width, 1, height, 0) == 0, "decode");
}

static void rgb(void) {
    check(tjDecompress2(jpeg, file, bytes, out, width, 3 * width, height, TJPF_RGB, 0) == 0, "rgb");
}

static void opus_in(void) {
    if (at + FRAME * 2 > bytes) at = 0;
    check(opus_encode(encoder, (opus_int16 *)(file + at), FRAME, packet, 255) > 0, "opus-encode");
    at += FRAME * 2;
}

static void opus_out(void) {
    if (at >= bytes) at = 0;
    check(opus_decode(decoder, file + at + 1, file[at], sound, 5760, 0) > 0, "opus-decode");
    at += 1 + file[at];
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

int main(int argc, char **argv) {
    check(argc == 7, "bare LOOP FILE BATCHES SIZE WIDTH HEIGHT");
    FILE *in = fopen(argv[2], "rb");
    check(in && fseek(in, 0, SEEK_END) == 0 && (bytes = ftell(in)) > 0, "open the file");
    rewind(in);
    file = malloc(bytes);
    check(file && fread(file, 1, bytes, in) == (size_t)bytes, "read the file");
    int batches = atoi(argv[3]), size = atoi(argv[4]);
    width = atoi(argv[5]);
    height = atoi(argv[6]);
    void (*loop)(void) = NULL;
    if (strcmp(argv[1], "encode") == 0) {
        jpeg = tjInitCompress();
        room = tjBufSize(width, height, TJSAMP_420);
        loop = encode;
    } else if (strcmp(argv[1], "decode") == 0 || strcmp(argv[1], "rgb") == 0) {
        jpeg = tjInitDecompress();
        room = 3ul * width * height;
        loop = strcmp(argv[1], "rgb") == 0 ? rgb : decode;
    } else if (strcmp(argv[1], "opus-encode") == 0) {
        encoder = opus_encoder_create(48000, 1, OPUS_APPLICATION_VOIP, NULL);
        check(encoder != NULL, "an encoder");
        opus_encoder_ctl(encoder, OPUS_SET_BITRATE(24000));
        opus_encoder_ctl(encoder, OPUS_SET_COMPLEXITY(5));
        loop = opus_in;
    } else if (strcmp(argv[1], "opus-decode") == 0) {
        decoder = opus_decoder_create(48000, 1, NULL);
        check(decoder != NULL, "a decoder");
        loop = opus_out;
    }
    check(loop != NULL, "no such loop");
    if (room > 0) check((out = malloc(room)) != NULL, "memory");
    for (int i = 0; i < size; i++) loop();
    for (int batch = 0; batch < batches; batch++) {
        double began = now();
        for (int i = 0; i < size; i++) loop();
        printf("%.4f\n", (now() - began) / size);
    }
    return 0;
}
