#!/usr/bin/perl

# PostgreSQL restarts while people read and write: nobody sees anything but
# the page or a 503, what was answered 303 is there, and once only.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;
use Portal::Place qw(spawn);

my $p = portal();
my $c = signed_in(qr/couple/);
my $writer = signed_in(qr/unlinked/);

for my $mode (qw(fast immediate)) {
    my @restarts;
    my @pages = load(long(3, 60), 6, sub { $c->get('/famille', pending => 1) },
        1, sub { push @restarts, restart($mode) });
    waitpid $_, 0 for @restarts;

    my $n = tally(@pages);
    note explain $n;
    cmp_ok scalar @restarts, '>=', 2, "$mode: @{[ scalar @restarts ]} restarts";
    cmp_ok $n->{200} // 0, '>', 20, "$mode: pages before and after";
    is_deeply [grep { !/^(?:200|503)$/ } keys %$n], [], "$mode: 200 or 503"
        or diag explain $n;
    my ($slow) = sort { $b <=> $a } map { $_->took } @pages;
    cmp_ok $slow, '<', patient(4), "$mode: none hangs";
    back_ok($c, '/famille', $mode, 6);
}

# the load goes on meanwhile
sub restart {
    my ($mode) = @_;

    return spawn('postgres', $p->dir . '/pglog/postgresql.log',
        Portal::Database::bin('pg_ctl'), '-D', $p->pg->data_dir, '-s', '-w',
        '-m', $mode, 'restart');
}

### what is written: a subscription, sent again with its key until it is there

my $code = free_code(town => 'saint-aubin');
my $form = $writer->submit($writer->get('/mes-abonnements/nouveau'),
    { code => $code->{code}, step => 'search' });
is $form->status, 200, 'the code is found';

my $before = $p->psql('select count(*) from portal.subscription');
my @tries = map {
    $writer->submit($form, { step => 'add' }, pending => 1, forget => 1)
} 1 .. 4;
$p->stop_database('QUIT');
@tries = together(@tries);
$p->start_database;

my $page;
wait_for(8, sub {
    $page = $writer->submit($form, { step => 'add' });
    $page->status != 503;
});
is $page->status, 303, 'the form sent again with its key';
is_deeply [grep { !/^(?:303|409|503)$/ } map { $_->status } @tries], [],
    'the others: done, or try again' or diag explain tally(@tries);
is $p->psql('select count(*) from portal.subscription') - $before, 1,
    'one subscription';

done_testing;
