#!/usr/bin/perl

# The database alone: pgTAP files of t/sql, by t/sql/run, in a database of
# their own with the demo families in it.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Portal::Place qw(top);
use Portal::Stack;

my $stack = Portal::Stack->new;
$stack->prepare;
$stack->start_database;

local @ENV{qw(PGHOST PGUSER)} = ($stack->pg->socket_dir, 'postgres');

chdir top() or die;
open my $in, '-|', 't/sql/run 2>&1' or die "t/sql/run: $!\n";
my @lines = <$in>;
close $in;

my ($total) = map { /Tests=(\d+)/ } @lines;
ok $? == 0, 'pgTAP: ' . ($total // 'no') . ' tests' or diag @lines;
ok $total, 'tests were run';

done_testing;
