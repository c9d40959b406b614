#!/usr/bin/perl

# Reload and quit under load lose no request.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Time::HiRes qw(sleep time);

use Portal::Fault;

my $p = portal();
my $c = signed_in(qr/couple/);
my $couple = new_account();         # other log-ins than that of the session
$c->get('/famille') for 1 .. 10;

### reload: HUP every 300 ms, no connection is kept open

my $reloads = 0;
my @slow;
my $undo = slow_function('my_space', 1);
my @pages = load(long(4, 60), 6, sub {
    $c->get(('/famille', '/', '/static/portal.css')[$_[0] % 3], pending => 1);
}, 0.3, sub {
    push @slow, $c->get('/mon-espace', pending => 1) if $reloads % 3 == 0;
    kill 'HUP', $p->nginx->pid;
    $reloads++;
});
my $n = tally(@pages);
note explain $n;
cmp_ok $reloads, '>=', 5, "$reloads reloads";
is_deeply [keys %$n], [200], 'no request is lost' or diag explain $n;
is scalar(grep { $_->content =~ /votre commune/ } @pages), 0,
    'a new worker knows its town before it answers';
is_deeply tally(together(@slow)), { 200 => scalar @slow },
    'nor one that PostgreSQL was at work for';
$undo->();

old_workers_go('old workers go');
ok wait_for(5, sub { database_connections() <= 4 }), 'with their connections'
    or diag database_connections();
back_ok($c, '/famille', 'then', 3);

### log-ins during reloads

@pages = load(2, 2, sub {
    # an older browser: Origin, which only the town's document can allow
    my $other = client(source => '127.3.0.' . int(1 + rand 250));
    my $page = $other->get('/connexion');
    $other->submit($page, { map { $_ => $couple->{$_} } qw(email password) },
        pending => 1, headers => { 'Sec-Fetch-Site' => undef });
}, 0.4, sub { kill 'HUP', $p->nginx->pid });
is_deeply [grep { !/^(?:303|429)$/ } keys %{ tally(@pages) }], [],
    'log-ins go through' or diag explain tally(@pages);
cmp_ok tally(@pages)->{303} // 0, '>', 3, 'really';

### a broken configuration (F30): the old one stays

old_workers_go('the old workers are gone');
my $file = $p->nginx->dir . '/conf/nginx.conf';
my $good = Portal::Place::slurp($file);
my @before = sort $p->nginx->workers;
expect_complaint(qr/unknown directive "portal_nonsense"/);
Portal::Place::spew($file, $good =~ s/^\s*\Kportal_tenant/portal_nonsense 1; $&/mr,
    0600);
kill 'HUP', $p->nginx->pid;
ok wait_for(3, sub { log_lines(qr/portal_nonsense/) }), 'refused';
$p->nginx->settle;
is_deeply [sort $p->nginx->workers], \@before, 'the workers stay';
is $c->get('/famille')->status, 200, 'and serve';
Portal::Place::spew($file, $good, 0600);

### quit: what is under way is finished

$undo = slow_function('my_space', 1.5);
my $slow = $c->get('/mon-espace', pending => 1);
ok sleeping(1), 'a request is at work';
my $other = client(source => '127.3.1.1');
my $login = $other->submit($other->get('/connexion'),
    { map { $_ => $couple->{$_} } qw(email password) }, pending => 1);
my $pid = $p->nginx->pid;
sleep 0.005;
my $start = time;
kill 'QUIT', $pid;
is $login->page->status, 303, 'a log-in is finished';
my $page = $slow->page;
is $page->status, 200, 'the slow one is finished';
cmp_ok $page->took, '>=', 1.5, 'in its time';
ok wait_for(5, sub { !kill 0, $pid }), 'then nginx ends';
cmp_ok time - $start, '<', patient(4), 'soon';
ok wait_for(2, sub { database_connections() == 0 }), 'no connection is left';
$undo->();

$p->start_nginx;
is $c->get('/famille')->status, 200, 'started again: the session lives on';

$start = time;
$p->stop_nginx('QUIT');
cmp_ok time - $start, '<', patient(2), 'quit with nothing to do takes no time';

done_testing;


# while the master reads its files for the last HUP there are two workers, too, but
# those that will have to go
sub old_workers_go {
    my ($name) = @_;

    portal()->nginx->settle;
    ok wait_for(12, sub { portal()->nginx->workers == 2 }), $name;
}
