# make lint: one stamp per source and check, so that only what changed is
# looked at again.  nginx's and libraries' headers are system headers here.

N = /usr/share/nginx/src/src
LINT = build/lint
RULES = t/lib/lint.mk

SYSTEM = -isystem $(N)/core -isystem $(N)/event \
	-isystem $(N)/event/modules -isystem $(N)/os/unix \
	-isystem $(N)/http -isystem $(N)/http/modules -isystem $(N)/http/v2 \
	-isystem build/nginx -isystem $(shell pg_config --includedir 2>/dev/null)

LINT_FLAGS = -std=gnu11 -D_GNU_SOURCE -Isrc $(SYSTEM)

# no -Wcast-qual: nginx's strings are u_char *, so text that is const has to
# be cast on its way into an ngx_str_t or an nginx function
LINT_WARNINGS = $(WARNINGS) -Wundef -Wformat=2 -Wvla -Werror

STAMPS = $(SOURCES:%.c=$(LINT)/%.gcc) $(SOURCES:%.c=$(LINT)/%.analyzer) \
	$(SOURCES:%.c=$(LINT)/%.clang) $(SOURCES:%.c=$(LINT)/%.tidy) \
	$(LINT)/cppcheck

.PHONY: lint-sources
lint-sources: $(STAMPS)
	@echo "lint: $(words $(SOURCES)) sources, no warning"

# twice: Debian's nginx has --with-debug, in another that has not the debug
# log's calls, and with them the uses of what they log, are gone
$(LINT)/%.gcc: %.c $(HEADERS) $(RULES) | $(MODULE)
	@mkdir -p $(@D)
	gcc -c -o /dev/null -O2 $(LINT_FLAGS) $(LINT_WARNINGS) $<
	gcc -fsyntax-only -DNGX_DEBUG=0 $(LINT_FLAGS) $(LINT_WARNINGS) $<
	@touch $@

$(LINT)/%.analyzer: %.c $(HEADERS) $(RULES) | $(MODULE)
	@mkdir -p $(@D)
	gcc -c -o /dev/null -O2 $(LINT_FLAGS) -fanalyzer -Werror $<
	@touch $@

$(LINT)/%.clang: %.c $(HEADERS) $(RULES) | $(MODULE)
	@mkdir -p $(@D)
	clang -c -o /dev/null -O2 $(LINT_FLAGS) $(LINT_WARNINGS) $<
	@touch $@

# --quiet still counts the headers' warnings on stderr: judge by the lines
$(LINT)/%.tidy: %.c $(HEADERS) $(RULES) .clang-tidy | $(MODULE)
	@mkdir -p $(@D)
	clang-tidy --quiet $< -- $(LINT_FLAGS) >$@.new 2>$@.err || \
		{ cat $@.new $@.err; exit 1; }
	@if grep -E 'warning:|error:' $@.new; then exit 1; fi
	@mv $@.new $@

$(LINT)/cppcheck: $(SOURCES) $(HEADERS) $(RULES)
	@mkdir -p $(@D)
	cppcheck --enable=warning,style,performance,portability \
		--inline-suppr --std=c11 --platform=unix64 -q -j$(J) \
		--suppress=missingIncludeSystem --suppress=variableScope \
		--suppress=constParameter --suppress=unusedStructMember \
		--error-exitcode=1 -Isrc $(SOURCES)
	@touch $@
