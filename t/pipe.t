#!/usr/bin/perl

# When all connections to PostgreSQL are busy, quick reads follow one another on
# them: each answer is its asker's, each fails alone, and none is lost with the
# one before it.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Time::HiRes qw(sleep time);

use Portal::Fault;

# one worker: all that comes waits in one queue, for four connections
my $p = portal(workers => 1);
my $OK = 'portal_database_calls_total{pool="pages",outcome="ok"}';

# some sessions of each; what tells them apart
my @who = map { my $n = $_; map { { n => $n,
    c => as_json(signed_in($p->demo->{accounts}[$n], source => "127.5.$n.$_")) } } 1 .. 3 }
    grep { $p->demo->{accounts}[$_]{situation} ne 'unlinked'
        && $p->demo->{accounts}[$_]{town} eq 'saint-aubin' } 0 .. $#{ $p->demo->{accounts} };

sub said {
    my ($page) = @_;

    my $json = eval { $page->json } // {};
    my ($self) = grep { $_->{self} } @{ $json->{guardians} // [] };

    return join ' ', map { $_ // '-' } $json->{family}{number}, $self->{id};
}

$_->{said} = said($_->{c}->get('/famille')) for @who;
my %said = map { ("$_->{n} $_->{said}" => $_->{said}) } @who;
my %once = reverse %said;
cmp_ok scalar(keys %said), '>=', 4, scalar(@who) . ' sessions of several accounts';
is scalar(keys %once), scalar(keys %said), 'that see each something else'
    or diag explain \%said;

# Many requests that are there at once: nginx sleeps while they are sent, or
# something else happens.
sub at_once {
    my ($asks, $meanwhile) = @_;

    my @workers = $p->nginx->workers;
    kill 'STOP', @workers;
    my @sent = map { $_->() } @$asks;
    $meanwhile->() if $meanwhile;
    kill 'CONT', @workers;

    return @sent;
}

# the same while PostgreSQL sleeps until all is before it, so that connections
# are short also where nginx is the slower one
sub stalled {
    my ($asks, $meanwhile) = @_;

    my @pids = backends();
    my @sent = at_once($asks, sub {
        $meanwhile->() if $meanwhile;
        kill 'STOP', @pids;
    });
    sleep 0.01;
    kill 'CONT', @pids;

    return @sent;
}

# their families' files
sub asks {
    my ($count) = @_;

    my @asked = map { $who[ rand @who ] } 1 .. $count;

    return (\@asked, [map { my $c = $_->{c};
        sub { $c->get('/famille', pending => 1, forget => 1) } } @asked]);
}

# what of these answers nobody should have got
sub wrong {
    my ($asked, @pages) = @_;

    return map { my ($who, $page) = ($asked->[$_], $pages[$_]);
        !$page || $page->status != 200 || said($page) eq $who->{said} ? ()
            : "$who->{said}: " . said($page) } 0 .. $#$asked;
}

sub backends {
    return map { $_->[0] }
        $p->psql("select pid from pg_stat_activity where usename = 'portal_web'");
}

# the change of these counts that the code brings
sub moved {
    my ($code, @names) = @_;

    my $before = metrics();
    $code->();
    my $now = metrics();

    return map { $now->{$_} - $before->{$_} } @names;
}

# so many calls, each of them once; every five seconds a page asks for the town,
# too
sub counted_ok {
    my ($count, $seconds, @counted) = @_;

    my @bad = grep { $_ < $count || $_ > $count + 1 + $seconds / 5 } @counted;

    return ok(!@bad, 'each is counted once') || diag "$count calls: @counted";
}

# how long it takes is known, and all connections are open
for (1 .. 5) { together(at_once((asks(40))[1])) }

### to whom they belong

my $start = time;
my ($all, @wrong, %status) = (0);
my ($n, $calls) = moved(sub {
    for (1 .. long(30, 600)) {
        my ($asked, $asks) = asks(40);
        my @pages = together($_ % 2 ? at_once($asks) : stalled($asks));
        push @wrong, wrong($asked, @pages);
        $status{ $_->status }++ for @pages;
        $all += @pages;
    }
}, 'portal_database_shared_total', $OK);
is_deeply \%status, { 200 => $all }, "$all answers";
is_deeply \@wrong, [], 'each to who asked';
cmp_ok $n, '>', $all / 20, "$n of them behind another";
counted_ok($all, time - $start, $calls);

### some sessions have ended elsewhere: the neighbours do not notice

my $ended = $p->demo->{accounts}[ $who[0]{n} ];
my @gone = map { as_json(signed_in($ended, source => "127.6.1.$_")) } 1 .. 8;
$_->get('/famille') for @gone;
@who = grep { $p->demo->{accounts}[ $_->{n} ] != $ended } @who;
{
    my ($asked, $asks) = asks(32);
    my @mixed = map { my $n = $_; (@$asks[ 4 * $n .. 4 * $n + 3 ],
        sub { $gone[$n]->get('/famille', pending => 1, forget => 1) }) } 0 .. 7;
    my @pages;
    my ($refused, $behind) = moved(sub {
        @pages = together(stalled(\@mixed, sub {
            $p->psql("update portal.session s set ended_at = now() from portal.account a
                where a.id = s.account_id and a.email = '$ended->{email}'");
        }));
    }, $OK =~ s/ok/refused/r, 'portal_database_shared_total');
    my @theirs = map { $pages[ 5 * $_ + 4 ] } 0 .. 7;
    my @others = map { @pages[ 5 * $_ .. 5 * $_ + 3 ] } 0 .. 7;
    is_deeply tally(@theirs), { 401 => 8 }, 'sessions that have ended: 401';
    is_deeply tally(@others), { 200 => 32 }, 'those before and behind: 200';
    is_deeply [wrong($asked, @others)], [], 'their own';
    is $refused, 8, 'PostgreSQL has said so';
    cmp_ok $behind, '>', 3, "$behind behind another";
}

### plans that have become stale

sub retyped {
    my ($how) = @_;

    $p->psql($how ? q{alter function portal.family(jsonb) rename to family_before;
        create function portal.family(input jsonb) returns text
            language sql security definer set search_path = portal, pg_temp
            as 'select portal.family_before(input)::text';
        alter function portal.family(jsonb) owner to portal_api;
        revoke execute on function portal.family(jsonb) from public;
        grant execute on function portal.family(jsonb) to portal_web}
        : q{drop function portal.family(jsonb);
            alter function portal.family_before(jsonb) rename to family});
}

for my $how (1, 0) {
    my ($asked, $asks) = asks(40);
    my @pages = together(at_once($asks, sub { retyped($how) }));
    is_deeply tally(@pages), { 200 => 40 }, 'another type of result: nobody notices';
    is_deeply [wrong($asked, @pages)], [], 'their own';
}

### backends end

# at any moment; every other time while all that they were sent lies before them
($all, @wrong, %status) = (0);
my $killed = 0;
($n) = moved(sub {
    for my $round (1 .. long(40, 400)) {
        my ($asked, $asks) = asks(40);
        my @pids = backends();
        my @sent = at_once($asks, sub { kill 'STOP', @pids if $round % 2 });
        sleep 0.0004 * ($round % 20);
        $killed += kill 'TERM', @pids;
        kill 'CONT', @pids;
        my @pages = together(@sent);
        push @wrong, wrong($asked, @pages);
        $status{ $_->status }++ for @pages;
        $all += @pages;
    }
}, 'portal_database_shared_total');
note explain \%status;
cmp_ok $killed, '>', 60, "$killed backends ended";
cmp_ok $n, '>', 20, "$n behind another";
is_deeply [grep { !/^(?:200|503)$/ } keys %status], [], 'only 200 and 503';
cmp_ok $status{503} // 0, '<=', $all / 200, 'hardly any 503';
is_deeply \@wrong, [], 'each to who asked';
back_ok($who[0]{c}, '/famille', 'then', 3);

### a backend ends when all is answered and nothing committed

# the function's next calls, so many; returns what undoes it, and says how often
# it was called
sub doomed {
    my ($name, $times) = @_;

    $p->psql("create schema doomed;
        create sequence doomed.calls;
        create table doomed.call ();
        create function doomed.ends() returns trigger
            language plpgsql security definer as 'begin
            if nextval(''doomed.calls'') <= $times then
                perform pg_terminate_backend(pg_backend_pid());
            end if;
            return null; end';
        create constraint trigger ends after insert on doomed.call
            initially deferred for each row execute function doomed.ends();
        alter function portal.$name(jsonb) rename to ${name}_before;
        create function portal.$name(input jsonb) returns json
            language plpgsql security definer set search_path = portal, pg_temp
            as 'begin insert into doomed.call default values;
                return portal.${name}_before(input); end';
        grant execute on function portal.$name(jsonb) to portal_web");

    return sub {
        $p->psql("drop function portal.$name(jsonb);
            alter function portal.${name}_before(jsonb) rename to $name");
        my $calls = $p->psql('select last_value from doomed.calls');
        $p->psql('set client_min_messages = warning; drop schema doomed cascade');
        return $calls;
    };
}

my $space = sub { $who[0]{c}->get('/mon-espace', pending => 1, forget => 1) };
{
    my ($asked, $asks) = asks(40);
    my $calls = doomed('my_space', 1);
    my ($page, @pages) = together(at_once([$space, @$asks]));
    is $page->status, 200, 'the first one, a read: asked again';
    is $calls->(), 2, 'once';
    is_deeply tally(@pages), { 200 => 40 }, 'so are those behind it';
    is_deeply [wrong($asked, @pages)], [], 'each to who asked';

    $calls = doomed('my_space', 9);
    is $space->()->page->status, 503, 'lost twice: 503';
    is $calls->(), 2, 'and no third time';

    my $c = signed_in($p->demo->{accounts}[ $who[0]{n} ], source => '127.6.2.1');
    my $space = $c->get('/mon-espace');
    $calls = doomed('sign_out', 1);
    is $c->submit($space, {}, form => '/deconnexion')->status, 503,
        'what changes something: 503';
    is $calls->(), 1, 'and never asked again';
}

### clients go

(@wrong, %status) = ();
for my $round (1 .. long(20, 400)) {
    my ($asked, $asks) = asks(40);
    my @sent = at_once($asks);
    sleep 0.0005 * ($round % 10);
    $sent[ 2 * $_ ]->drop(reset => $_ % 2) for 0 .. 19;
    my @left = map { 2 * $_ + 1 } 0 .. 19;
    my @pages = together(@sent[@left]);
    push @wrong, wrong([@$asked[@left]], @pages);
    $status{ $_->status }++ for @pages;
}
is_deeply [keys %status], [200], 'some go, the others are answered' or diag explain \%status;
is_deeply \@wrong, [], 'each to who asked';

### a quick one becomes slow: who stands behind it goes elsewhere

for (1 .. 5) { together(at_once([map { $space } 1 .. 20])) }
cmp_ok +(moved(sub { together(stalled([map { $space } 1 .. 40])) },
    'portal_database_shared_total'))[0], '>', 3, 'another page, quick';

my $undo = slow_function('my_space', 1.2);
together(at_once((asks(40))[1]));
{
    my ($asked, $asks) = asks(40);
    my ($slow, @pages);
    my $since = time;
    my @counted = moved(sub {
        my @sent = at_once([$space, @$asks]);
        $slow = shift @sent;
        @pages = together(@sent);
        ($slow) = together($slow);
        sleep 0.3;      # what they were sent before is answered, too
    }, $OK, 'portal_database_wait_seconds_count');
    is $slow->status, 200, 'one takes its time';
    cmp_ok $slow->took, '>=', 1.2, 'really';
    is_deeply tally(@pages), { 200 => 40 }, 'the others are answered';
    is_deeply [wrong($asked, @pages)], [], 'each with its own';
    my ($last) = sort { $b <=> $a } map { $_->took } @pages;
    cmp_ok $last, '<', patient(0.6), 'and do not wait for it';
    counted_ok(41, time - $since, @counted);
}

$undo->();

# and nothing is put behind it any more
$undo = slow_function('my_space', 0.3);
ok wait_for(20, sub {
    (moved(sub { together(at_once([map { $space } 1 .. 8])) },
        'portal_database_shared_total'))[0] == 0;
}), 'what is known to be slow goes alone';
$undo->();

### what changes something, and what agents read, goes alone

my $agent = agent_client(json => 1);
my @forms = map { client(source => "127.7.1.$_") } 1 .. 10;
my $sign_in = $forms[0]->get('/connexion');
$_->cookies->{'__Host-visit'} = $forms[0]->cookies->{'__Host-visit'} for @forms;
my @posts;
is +(moved(sub {
    for (1 .. 3) {
        push @posts, together(at_once([map { my $c = $_; sub { $c->submit($sign_in,
            { email => "personne.$$\@parents.example", password => 'x' x 40 },
            pending => 1, forget => 1) } } @forms]));
        push @posts, together(at_once([map { sub { $agent->get('/familles', pending => 1,
            forget => 1) } } 1 .. 10]));
    }
}, 'portal_database_shared_total'))[0], 0, 'log-ins, an agent: none behind another';
is_deeply [grep { !/^(?:200|422|429)$/ } keys %{ tally(@posts) }], [], 'all are answered';

# a sheet that is taken away is a row of the audit, read as JSON too; the page of
# the same function is not
$p->psql(q{alter function portal.my_data(jsonb) rename to my_data_before;
    create function portal.my_data(input jsonb) returns json language sql
        as $$ select json_build_object('status', 200, 'format', input->>'format') $$;
    grant execute on function portal.my_data(jsonb) to portal_web});
my %taken;
for my $path (qw(/mes-donnees /mes-donnees.csv)) {
    my $ask = sub { $who[0]{c}->get($path, pending => 1, forget => 1) };
    ($taken{$path}) = moved(sub {
        push @{ $taken{pages} }, together(stalled([($ask) x 40])) for 1 .. 5;
    }, 'portal_database_shared_total');
}
is_deeply tally(@{ $taken{pages} }), { 200 => 400 }, 'what the portal holds, twice';
is $taken{pages}[-1]->json->{format}, 'csv', 'the second time to be taken away';
cmp_ok $taken{'/mes-donnees'}, '>', 3, 'a page of it shares';
is $taken{'/mes-donnees.csv'}, 0, 'what is taken away goes alone';
$p->psql('drop function portal.my_data(jsonb);
    alter function portal.my_data_before(jsonb) rename to my_data');

### PostgreSQL hangs with pipes that are full

my @pids = $p->pg->pids;
my ($asked, $asks) = asks(40);
my @sent = at_once($asks, sub { kill 'STOP', @pids });
my @pages = together(@sent);
is_deeply tally(@pages), { 503 => 40 }, 'hung: all 503' or diag explain tally(@pages);
my ($last) = sort { $b <=> $a } map { $_->took } @pages;
cmp_ok $last, '<', patient(4.5), 'none waits longer than the timeout and a second';
kill 'CONT', @pids;
back_ok($who[0]{c}, '/famille', 'goes on', 8);
($asked, $asks) = asks(40);
@pages = together(at_once($asks));
is_deeply tally(@pages), { 200 => 40 }, 'and answers';
is_deeply [wrong($asked, @pages)], [], 'each to who asked';

### nginx is told to end

@pids = backends();
($asked, $asks) = asks(40);
@sent = at_once($asks, sub { kill 'STOP', @pids });
sleep 0.01;
$p->reload;
sleep 0.3;
kill 'CONT', @pids;
@pages = together(@sent);
is_deeply tally(@pages), { 200 => 40 }, 'a reload: all are answered' or diag explain tally(@pages);
is_deeply [wrong($asked, @pages)], [], 'each to who asked';
cmp_ok database_connections(), '<=', 8, 'the pools have their size';

done_testing;
