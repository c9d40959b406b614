#!/usr/bin/perl

# The house's own order: what a reader may rely on without looking.

use strict;
use warnings;

use Encode qw(decode FB_CROAK);
use Test::More;

use lib 't/lib';
use Portal::Place qw(slurp top);

chdir top() or die;

my $config = slurp('config');
my %listed = map { ("src/$_" => 1) } $config =~ m{\$portal_dir/(\S+)}g;
my @sources = grep { !m{^src/tool/} && !m{^src/photo/portal_photo_(?!head\.)} }
    glob 'src/*.[ch] src/*/*.[ch]';

is_deeply [sort keys %listed], [sort @sources],
    'config names every source and header of the module';

# nginx's make puts folder/file.c into one place whatever is above the folder
my %object;
for (grep { /\.c$/ } @sources) {
    my ($pair) = m{([^/]+/[^/]+)$};
    $object{$pair}++;
}
is_deeply [grep { $object{$_} > 1 } sort keys %object], [],
    'no two sources share an object file';

# the tool's too; a column is a character, and a function goes from the line
# of its type to its last brace
my (@long, @wide, @tall, $functions);

for my $file (glob 'src/*.[ch] src/*/*.[ch]') {
    my @lines = split /\n/, decode('UTF-8', slurp($file), FB_CROAK);
    my ($start, $body);

    push @long, $file if @lines > 900;

    for my $n (1 .. @lines) {
        my $line = $lines[$n - 1];
        push @wide, "$file:$n" if length $line > 80;

        if (defined $body) {
            next if $line !~ /^\}/;
            push @tall, "$file:$start" if $body && $n - $start >= 80;
            $functions++ if $body;
            undef $_ for $start, $body;

        } elsif ($line =~ /^\{/ && defined $start) {
            $body = 1;

        } elsif ($line =~ /^[^#].*\{$/) {
            $body = 0;          # a struct, an enum, a table

        } elsif ($line =~ /^[A-Za-z_]/) {
            $start //= $n;
            undef $start if $line =~ /;$/;

        } elsif ($line !~ /^\s+\S/ || $line =~ /;$/) {
            undef $start;       # a declaration, a macro, a comment
        }
    }
}

push @long, grep { (slurp($_) =~ tr/\n//) > 900 } glob 'sql/*.sql sql/*/*.sql t/*.t t/*/*.t';

is "@long", '', 'no source is longer than 900 lines';
is "@wide", '', 'no line is longer than 80 columns';
is "@tall", '', 'no function is longer than 80 lines';
cmp_ok $functions // 0, '>', 500, 'the functions were found';

# each library is one folder's
my %owner = ('libpq-fe.h' => 'call', 'hiredis' => 'redis', 'curl' => 'curl',
    'sodium.h' => 'crypto', 'liboath' => 'crypto', 'jpeglib.h' => 'photo',
    'png.h' => 'photo', 'webp' => 'photo', 'seccomp.h' => 'photo');
for my $header (sort keys %owner) {
    my %folders = map { m{^src/([^/]+)/} ? ($1 => 1) : () }
        grep { slurp($_) =~ /#include <\Q$header\E/ } glob 'src/*.[ch] src/*/*.[ch]';
    delete $folders{ $owner{$header} };
    is_deeply [sort keys %folders], [], "$header is included by one folder";
}

# what needs no nginx does not include it
my @plain = grep {
    m{^src/(?:crypto|view)/} || m{^src/input/portal_} || m{^src/photo/portal_photo_}
} glob 'src/*/*.[ch]';
is_deeply [grep { slurp($_) =~ /#include <ngx_/ } @plain], [],
    'the plain parts do not include nginx';

# nginx says what the system's headers are to show, so it comes before them
sub first_headers {
    my ($file, $seen) = @_;

    return if $seen->{$file}++;

    my ($folder) = $file =~ m{(.*)/};
    my @headers;
    for my $header ((slurp($file) // '') =~ /^#include ([<"][^>"]+)[>"]/gm) {
        my ($kind, $name) = $header =~ /(.)(.*)/;
        my $path = "$folder/$name";
        1 while $path =~ s{[^/]+/\.\./}{};
        push @headers, $kind eq '<' ? $name : first_headers($path, $seen);
    }

    return @headers;
}

my @late = grep {
    my @headers = first_headers($_, {});
    "@headers" =~ /\bngx_/ && $headers[0] !~ /^ng(?:x_|inx\.h)/;
} grep { /\.c$/ } @sources;
is "@late", '', "nginx's headers come before the system's";

done_testing;
