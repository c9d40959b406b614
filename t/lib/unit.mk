# The plain C parts alone: t/unit/PART_*test.c and t/fuzz/PART_fuzz.c are linked
# with what PART needs, under the sanitizers.

PLAIN_crypto = $(wildcard src/crypto/*.c)
PLAIN_hook = src/hook/portal_address.c
PLAIN_import = $(filter-out src/import/portal_import.c \
	src/import/portal_import_fetch.c src/import/portal_import_stage.c,\
	$(wildcard src/import/*.c)) $(PLAIN_input)
PLAIN_input = $(wildcard src/input/portal_*.c) $(PLAIN_crypto)
PLAIN_mail = src/mail/portal_mime.c
PLAIN_photo = src/photo/portal_photo_head.c src/photo/portal_photo_scale.c
PLAIN_view = $(wildcard src/view/*.c)
# as config has it, see src/crypto/portal_argon2_memory.c
PLAIN_SODIUM = -Wl,--wrap=mmap,--wrap=munmap -l:libsodium.a
PLAIN_LIBS = $(PLAIN_SODIUM) -loath -ljansson -lunistring -lzxcvbn -lzip -lqrencode -lm

UNIT_TESTS = $(patsubst t/unit/%.c,build/unit/%,$(wildcard t/unit/*_test.c))
FUZZERS = $(patsubst t/fuzz/%.c,build/fuzz/%,$(wildcard t/fuzz/*_fuzz.c))

UNIT_FLAGS = -std=gnu11 -O1 -g -Isrc $(WARNINGS) -fno-omit-frame-pointer \
	-fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_FLAGS = -std=gnu11 -O1 -g -Isrc -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=undefined

part = $(firstword $(subst _, ,$(notdir $(1))))

.PHONY: unit-programs
unit-programs: $(UNIT_TESTS)

build/unit/obj/%.o: %.c $(HEADERS) $(wildcard t/unit/*.h)
	@mkdir -p $(@D)
	gcc -c $(UNIT_FLAGS) $< -o $@

.SECONDEXPANSION:

build/unit/%: build/unit/obj/t/unit/%.o \
		$$(patsubst src/%.c,build/unit/obj/src/%.o,$$(PLAIN_$$(call part,$$*)))
	gcc $(UNIT_FLAGS) $^ -o $@ $(PLAIN_LIBS)

build/fuzz/%: t/fuzz/%.c $$(PLAIN_$$(call part,$$*)) $(HEADERS) \
		$(wildcard t/unit/*.h)
	@mkdir -p $(@D)
	clang $(FUZZ_FLAGS) $(filter %.c,$^) -o $@ $(PLAIN_LIBS)

# t/photo: the program with its tricks, and a module that hands bodies to the
# service of the nginx whose objects are in NGINX_OBJS
NGINX_OBJS ?= build/nginx

.PHONY: photo-programs
photo-programs: build/unit/photo-tricks $(NGINX_OBJS)/photo_desk.so

build/unit/photo-tricks: $(PHOTO_SOURCES) t/photo/tricks.c \
		$(wildcard src/photo/*.h)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE $(CFLAGS) $(HARDEN) -Isrc -c \
		-Dportal_photo_head=portal_photo_tricked_head \
		src/photo/portal_photo_helper.c -o $@.o
	$(CC) -std=gnu11 -D_GNU_SOURCE $(CFLAGS) $(HARDEN) -Isrc $@.o \
		t/photo/tricks.c \
		$(filter-out %_helper.c,$(PHOTO_SOURCES)) -o $@ $(PHOTO_LIBS)

$(NGINX_OBJS)/photo_desk.so: t/photo/desk.c $(HEADERS)
	$(CC) -std=gnu11 -O1 -g -shared -fPIC -Isrc -isystem $(NGINX_OBJS) \
		$(SYSTEM) t/photo/desk.c -o $@

# each for a while, from where the last run ended
.PHONY: fuzz-programs
fuzz-programs: $(FUZZERS)
	@for f in $(FUZZERS); do \
		mkdir -p $$f.corpus && \
		$$f -max_total_time=$(SECONDS_EACH) -max_len=4096 -timeout=10 \
			-verbosity=0 -print_final_stats=1 \
			-artifact_prefix=$$f.found- $$f.corpus || exit 1; \
	done
