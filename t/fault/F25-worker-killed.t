#!/usr/bin/perl

# A worker is killed at any moment: another takes over, only what was in it is
# cut, what it had written is whole and can be asked again.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;

expect_complaint(qr/worker process \d+ exited on signal 9/);
expect_complaint(qr/shared memory zone ".*" was locked by/);

my $p = portal();
my $c = signed_in(qr/couple/);
my $writer = signed_in(qr/unlinked/);
$c->get('/famille') for 1 .. 10;

my $killed = 0;
my @pages = load(long(3, 60), 6, sub {
    $c->get($_[0] % 2 ? '/famille' : '/', pending => 1);
}, 0.5, sub {
    my @workers = $p->nginx->workers;
    $killed += kill 'KILL', $workers[rand @workers] if @workers;
});
my $n = tally(@pages);
note explain $n;
cmp_ok $killed, '>=', 4, "$killed workers killed";
is_deeply [grep { !/^(?:0|200)$/ } keys %$n], [], 'pages, or a cut connection'
    or diag explain $n;
cmp_ok $n->{0} // 0, '<=', 6 * $killed, 'only those that were in it';
back_ok($c, '/famille', 'afterwards', 3);
is scalar($p->nginx->workers), 2, 'as many workers as before';

### while it writes: the same form again, one effect

my $code = free_code(town => 'saint-aubin');
my $form = $writer->submit($writer->get('/mes-abonnements/nouveau'),
    { code => $code->{code}, step => 'search' });
my $count = 'select count(*) from portal.subscription';
my $before = $p->psql($count);
my $undo = slow_function('subscribe', 0.5);

my $sent = $writer->submit($form, { step => 'add' }, pending => 1,
    forget => 1);
ok sleeping(1), 'it writes';
kill 'KILL', $p->nginx->workers;
is $sent->page->status, 0, 'cut';
my $page;
wait_for(8, sub {
    $page = $writer->submit($form, { step => 'add' });
    $page->status !~ /^(?:0|409|503)$/;
});
is $page->status, 303, 'sent again' or diag $page->text;
is $p->psql($count) - $before, 1, 'once in effect';
$undo->();

ok wait_for(8, sub { database_connections() <= 4 }),
    'PostgreSQL has let go of their connections';

done_testing;
