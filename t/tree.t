#!/usr/bin/perl

# The house's own order: what a reader may rely on without looking.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Portal::Place qw(slurp top);

chdir top() or die;

my $config = slurp('config');
my %listed = map { ("src/$_" => 1) } $config =~ m{\$portal_dir/(\S+)}g;
my @sources = grep { !m{^src/tool/} } glob 'src/*.[ch] src/*/*.[ch]';

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

my @long = grep { (() = slurp($_) =~ /\n/g) > 900 } @sources;
is_deeply \@long, [], 'no source is longer than 900 lines';

my @wide = grep { slurp($_) =~ /^[^\n]{81,}$/m } @sources;
is_deeply \@wide, [], 'no line is longer than 80 columns';

# each library is one folder's
my %owner = ('libpq-fe.h' => 'call', 'hiredis' => 'redis', 'curl' => 'mail',
    'sodium.h' => 'crypto');
for my $header (sort keys %owner) {
    my %folders = map { m{^src/([^/]+)/} ? ($1 => 1) : () }
        grep { slurp($_) =~ /#include <\Q$header\E/ } @sources;
    delete $folders{ $owner{$header} };
    is_deeply [sort keys %folders], [], "$header is included by one folder";
}

# what needs no nginx does not include it
my @plain = grep { m{^src/(?:crypto|view)/} || m{^src/input/portal_} } @sources;
is_deeply [grep { slurp($_) =~ /#include <ngx_/ } @plain], [],
    'the plain parts do not include nginx';

done_testing;
