package Imports;

# An export of the town's software, first of all its families, then the same
# once more; and what pages take meanwhile.

use strict;
use warnings;

use Time::HiRes qw(sleep time);

use Bench qw(median);
use Portal::Client;
use Portal::Place qw(free_port slurp);
use Portal::Sample;
use Portal::Stack;

my $FAMILIES = $ENV{IMPORT} || 20_000;


# returns a list of [figure, format, value]
sub measure {
    my $stack = Portal::Stack->new(port => free_port(), durable => 1, mail => 'file',
        workers => 2, directives => { portal_import => '1s' });

    $stack->prepare;
    $stack->start_database;
    $stack->start_redis;
    $stack->start_mail;
    $stack->start_nginx;

    my $file = $stack->dir . '/import.zip';
    Portal::Sample->write($file, families => $FAMILIES);
    my $key = $stack->machine;
    my $alone = median(_page($stack, sub { $_[0] > 100 }));
    my @found;

    for my $what ('all of them new', 'nothing new') {
        my $start = time;
        my ($done, $state);
        my $c = Portal::Client->new(stack => $stack, agents => 1, json => 1, timeout => 120);
        my $put = $c->request('PUT', '/import/export.zip?dry=no', body => slurp($file),
            headers => { Authorization => "Bearer $key", 'Content-Type' => 'application/zip' });
        die 'PUT: ' . $put->status . "\n" if $put->status != 202;

        my @pages = _page($stack, sub {
            return 0 if $_[0] % 10;
            ($state) = map { $_->[0] } $stack->psql('select state from portal.import order by id desc limit 1');
            return $state =~ /^(?:done|failed|cancelled)$/;
        });
        die "import: $state\n" if $state ne 'done';

        my ($lines) = map { $_->[0] } $stack->psql('select count(*) from portal.import_line l
            where l.import_id = (select max(id) from portal.import)');
        my $took = time - $start;
        push @found, ["import of $FAMILIES families, $what: lines/s", '%.0f', $lines / $took],
            ['  seconds for 100,000 families', '%.0f', $took * 100_000 / $FAMILIES],
            ['  a page meanwhile / alone, medians', '%.2f', median(@pages) / $alone];
    }

    $stack->stop;

    return @found;
}

# seconds of one page after another, until told
sub _page {
    my ($stack, $enough) = @_;

    my $c = Portal::Client->new(stack => $stack);
    my @took;

    for (my $n = 1; !$enough->($n); $n++) {
        my $start = time;
        my $page = $c->get('/connexion');
        push @took, time - $start;
        die 'a page: ' . $page->status . "\n" if $page->status != 200;
        sleep 0.05;
    }

    return @took;
}


1;
