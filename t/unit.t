#!/usr/bin/perl

# The plain C parts alone, under AddressSanitizer and UBSan: t/unit/*_test.c.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Portal::Place qw(top);

chdir top() or die;

my @programs = map { m{([^/]+)\.c$} } glob 't/unit/*_test.c';
plan tests => 1 + @programs;

my $built = `make -s -j2 unit-programs 2>&1`;
is $?, 0, 'compiled without a warning' or diag $built;

$ENV{UBSAN_OPTIONS} = 'print_stacktrace=1:halt_on_error=1';
$ENV{ASAN_OPTIONS} = 'detect_leaks=1:detect_stack_use_after_return=1';

for my $program (@programs) {
    my $tap = `build/unit/$program 2>&1`;
    my $status = $?;
    my $count = () = $tap =~ /^ok\b/mg;
    my ($plan) = $tap =~ /^1\.\.(\d+)/m;
    my @bad = $tap =~ /^(not ok(?!.*# TODO).*(?:\n#.*)*|.*(?:Sanitizer|runtime error:).*)/mg;

    ok $status == 0 && !@bad && defined $plan && $count == $plan,
        "$program: $count checks"
        or diag "status $status, plan ", $plan // 'none', "\n",
            @bad ? join("\n", @bad) : substr $tap, -2000;
}
