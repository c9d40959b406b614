#!/usr/bin/perl

# The rights in Redis that docs/operating.md gives the portal's user are enough
# for all that it does there, and it does nothing else.

use strict;
use warnings;
use utf8;

use Portal::Test;
use Portal::Fault qw(gate_only signed_in);
use Portal::Place qw(slurp);

my $p = portal(server => gate_only());
my $person = new_account();

my ($rights) = slurp(top() . '/docs/operating.md')
    =~ /user portal on >PASSWORD (.+)/
    or die "no ACL in docs/operating.md\n";

like slurp(top() . '/conf.d/portal.conf'), qr/^portal_redis\s[^;]*\buser=portal\s/m,
    'the configuration that is shipped comes as this user';

# who looks has rights of their own
$p->redis_cli('ACL', 'SETUSER', 'watcher', qw(on >watcher ~* &* +@all));

sub watcher {
    my (@command) = @_;

    local $ENV{REDISCLI_AUTH} = 'watcher';
    open my $in, '-|', 'redis-cli', '-s', $p->redis_socket, '--user', 'watcher',
        @command or die "redis-cli: $!\n";
    local $/;

    return scalar <$in> // '';
}

sub mac_of { tool("mac\tsaint-aubin\tsession\t" . $_[0]->cookie('__Host-portal')) }

$p->redis_cli('ACL', 'SETUSER', 'default', split ' ', $rights);
watcher('CLIENT', 'KILL', 'TYPE', $_) for qw(normal pubsub);
watcher('ACL', 'LOG', 'RESET');
ok wait_for(8, sub { watcher('INFO', 'clients') =~ /^tracking_clients:[2-9]/m }),
    'each worker hears of changes again';
ok all_ready(), 'and may write';

# a form over the end of its session, a log-in, a log-out
my $c = signed_in($person);
is $c->get('/prive')->status, 200, 'logged in';
my $page = $c->get('/mes-abonnements/nouveau');
my $first = mac_of($c);
$p->psql("update portal.session set ended_at = now()
    where hash = decode('$first', 'hex')");
my $again = $c->submit($page, { code => 'K7QF 2MXD 9HTA', step => 'search' },
    forget => 1);
is $again->status, 401, 'the session has ended';
my $in = $c->submit($again, { email => $person->{email},
    password => $person->{password} }, form => '/connexion');
is $in->location, '/mes-abonnements/nouveau?reprise=1', 'the form waits'
    or diag $in->status, ' ', $in->text;
like $c->get($in->location)->content, qr/K7QF 2MXD 9HTA/, 'and is there';

my $mac = mac_of($c);
is watcher('EXISTS', "sess:$mac"), "1\n", 'a record';
is $c->submit($c->get('/mon-espace'), {}, form => '/deconnexion')->status, 303,
    'logged out';
ok wait_for(5, sub { watcher('EXISTS', "sess:$mac", "seen:$mac") eq "0\n" }),
    'and the record is gone';

is watcher('ACL', 'LOG'), "\n", 'nothing was refused';
unlike slurp($p->nginx->error_log), qr/redis refused/, 'nor logged as refused';

done_testing;
