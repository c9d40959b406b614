#!/usr/bin/perl

# docs/security.md says what is proven where: each file is there, each name is
# in it, and the numbers are the table's.

use strict;
use warnings;
use utf8;

use Encode qw(decode);
use Test::More;

use lib 't/lib';
use Portal::Place qw(slurp top);

binmode $_, ':encoding(UTF-8)' for Test::More->builder->output,
    Test::More->builder->failure_output;
chdir top() or die;

my $doc = decode('UTF-8', slurp('docs/security.md'));
my %text;

# a file's text, or a directory's name; undef: it is not there
sub text_of {
    my ($file) = @_;

    return $text{$file} //= -d $file ? '' : -e $file
        ? decode('UTF-8', slurp($file)) : undef;
}

sub rows {
    my ($columns) = @_;

    return map { [split / \| /, $_, -1] }
        grep { split(/ \| /, $_, -1) == $columns }
        map { /^\| (.*) \|$/ ? $1 : () } split /\n/, $doc;
}


### the requirements

my (%seen, %met);
for my $row (rows(5)) {
    my ($id, $level, $what, $state, $proof) = @$row;
    next if $id !~ /^\d+\.\d+\.\d+$/;

    ok !$seen{$id}++, "$id is there once";
    like $level, qr/^[123]$/, "$id: its level";
    like $state, qr/^(?:met|not yet|deviation)$/, "$id: its state";

    if ($state eq 'deviation') {
        like $proof, qr/\w{3}/, "$id: a reason";

    } elsif ($state eq 'not yet') {
        is $proof, '', "$id: no proof";

    } else {
        like $proof, qr/^`/, "$id: a proof";
        proven($id, $_) for split / ‖ /, $proof;
    }
}

sub proven {
    my ($id, $proof) = @_;
    my ($file, $name) = $proof =~ /^`([^`]+)`(?: (.+))?$/
        or return fail "$id: « $proof » names no file";
    my $text = text_of($file);

    return ok(defined $text && (!defined $name || index($text, $name) >= 0),
        "$id: $file" . (defined $name ? ", $name" : ''));
}

is scalar keys %seen, 270, 'as many as concern a portal';


### the numbers

my ($told) = $doc =~ /\*\*(L1\+L2: \d+ of 194, all: \d+ of 270)\.\*\*/;
chomp(my $counted = `perl t/lib/asvs`);
is $told, $counted, 'the numbers in the text are those of the table';


### every other file that is named

for my $file ($doc =~ m{`((?:t|src|sql|conf\.d|docs)/[^`\s]+)`}g) {
    ok defined text_of($file), "$file is there" if !exists $text{$file};
}

# the test of a limit, or of an attack, is there, too
for my $kind ('Limits', 'Attacks', 'Classes of data') {
    my ($text) = $doc =~ /^## $kind, and their tests\n(.*?)^## /ms;
    my @rows = map { /^\| (?:[^|`]+ \| )?([^|`]+) \| (`.*) \|$/ ? [$1, $2] : () } split /\n/, $text;
    cmp_ok scalar(@rows), '>', 9, "$kind were found";
    for my $row (@rows) {
        proven($row->[0], $_) for split / ‖ /, $row->[1];
    }
}

# each class has its protection, and each protection a test
{
    my ($text) = $doc =~ /^## Classes of data, and their tests\n(.*?)^## /ms;
    my %class = map { /^\| (\w+) \| [^|`]+ \|$/ ? ($1 => 0) : () } grep { !/^\| class/ } split /\n/, $text;
    my @bare = map { /^\| (\w+) \| ([^|]+) \| (.*) \|$/ && $1 ne 'class' ? [$1, $2, $3] : () } split /\n/, $text;
    $class{ $_->[0] }++ for @bare;
    cmp_ok scalar(keys %class), '==', 5, 'five classes';
    is_deeply [(grep { !$class{$_} } keys %class), map { $_->[1] } grep { $_->[2] !~ /^`t\// } @bare], [],
        'what protects each class of data is shown';
}

# the templates for a town: files that are there, periods that are the schema's
{
    my $text = decode('UTF-8', slurp('docs/privacy.md'));
    my %file = map { $_ => 1 } $text =~ m{(?<![\w/])((?:docs|sql|src|t)/[\w./-]*\w)}g;
    cmp_ok scalar(keys %file), '>', 30, 'privacy.md names files';
    is_deeply [grep { !-e } sort keys %file], [], 'which are there';
    my %days = map { decode('UTF-8', slurp($_)) =~ /\b(keep_\w+) +int(?: not null default (\d+))?/g }
        sort glob 'sql/migrations/*.sql';
    my %told = $text =~ /\| `(keep_\w+)` \| (\d+|comme la demande) \|/g;
    is_deeply \%told, { map { $_ => $days{$_} // 'comme la demande' } keys %days }, 'and each period of a town';
}

# the libraries, without the C library's own
{
    my ($text) = $doc =~ /^## What it is made of\n(.*?)^## /ms;
    my %linked = map { $_ => 1 } grep { !/^lib[cm]$/ } map { /\(NEEDED\).*\[(lib\w+)\./ ? $1 : () }
        map { split /\n/, `readelf -d build/$_ 2>&1` } qw(nginx/ngx_http_portal_module.so portal-tool portal-photo);
    is_deeply [sort map { /^\| `(\w+)` \|/ ? $1 : () } split /\n/, $text], [sort keys %linked],
        'what is linked is what is listed';
}

# a fault's own test is in the table of faults
my ($faults) = $doc =~ /^## Faults\n(.*?)^## /ms;
for my $test (map { s{.*/}{}r } glob 't/fault/F*.t') {
    like $faults, qr{`t/fault/\Q$test\E`}, "$test is in the table";
}

done_testing;
