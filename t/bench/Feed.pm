package Feed;

# The way back: a program of the town reads what was accepted, 500 at a time, and
# says that it has recorded it; and the same by its SQL alone.

use strict;
use warnings;

use FindBin;
use Time::HiRes qw(time);

use Bench qw(command);
use Portal::Client;
use Portal::Database;

my $CHANGES = $ENV{CHANGES} || 20_000;
my $PAGE = 500;


# returns a list of [figure, now, end, format, values]
sub measure {
    my ($stack, $town, $rounds) = @_;

    my $key = $stack->machine(rights => 'feed', town => $town);
    my ($sql) = $stack->psql("select encode(m.key_mac, 'hex'), t.version, t.id from portal.machine m
        join portal.town t on t.id = m.tenant where t.slug = '$town' and m.revoked_at is null");
    my (@portal, @bare);

    _accepted($stack, $sql->[2]);
    my ($made) = $stack->psql('select count(*) from portal.change');
    die "$made->[0] changes of $CHANGES: there are too few families\n" if $made->[0] != $CHANGES;

    for my $round (1 .. $rounds) {
        _open_again($stack);
        push @bare, _by_pgbench($stack, @$sql);
        _open_again($stack);
        my $c = Portal::Client->new(stack => $stack, town => $town, agents => 1, json => 1, timeout => 120);
        # the limit is of each address that asks
        push @portal, _by_portal($stack, $c, Authorization => "Bearer $key", 'X-Real-IP' => "192.0.2.$round");
    }

    return ["feed: $CHANGES changes read and answered / its SQL by pgbench", '', '', '%.3f',
            map { $portal[$_] / $bare[$_] } 0 .. $rounds - 1],
        ['  changes a second, by the portal', '', '', '%.0f', @portal],
        ['  changes a second, by pgbench', '', '', '%.0f', @bare];
}

# as many requests with one field, of as many people, accepted and never told;
# nothing of what was decided before to measure that
sub _accepted {
    my ($stack, $town) = @_;

    $stack->psql("set session_replication_role = replica;
        delete from portal.change;
        with g as (
            select g.id, g.family_id, row_number() over (order by g.id) as n
              from portal.guardian g where g.tenant = $town order by g.id limit $CHANGES),
        s as (
            insert into portal.change_set (tenant, number, family_id, section, action, guardian_id,
                                           subject, due_on, state, decided_at)
            select $town, '2019-' || lpad(g.n::text, 7, '0'), g.family_id, 'guardian_basic', 'change', g.id,
                   'Camille Martin', current_date, 'accepted', now()
              from g
            returning id, family_id, guardian_id),
        i as (
            insert into portal.change_item (tenant, set_id, field, old, asked, state)
            select $town, s.id, 'profession', 'null', to_jsonb('Métier ' || s.id), 'accepted' from s)
        insert into portal.change (tenant, set_id, field, family_id, person_kind, person_id, decided_role)
        select $town, s.id, 'profession', s.family_id, 'guardian', s.guardian_id, 'validator' from s");
}

sub _open_again {
    my ($stack) = @_;

    $stack->psql("set session_replication_role = replica;
        update portal.change set state = 'open', settled_at = null, settled_kind = null,
            settled_by = null, answered = null;
        update portal.change_item set acknowledged_at = null");
    $stack->psql("vacuum analyze portal.$_") for qw(change change_item change_set);
}

# how many of them wait; dies when that is wrong
sub _answered {
    my ($stack, $who) = @_;

    my ($open) = $stack->psql("select count(*) from portal.change where state = 'open'");
    die "$who: $open->[0] changes are still open\n" if $open->[0] != 0;
}

sub _by_pgbench {
    my ($stack, $key, $version) = @_;

    my $text = command('sh', '-c', '"$@" 2>&1 || true', 'sh', Portal::Database::bin('pgbench'),
        '-n', '-M', 'prepared', '-h', $stack->pg->socket_dir, '-U', 'portal_web', '-c', 1,
        '-t', int(($CHANGES + $PAGE - 1) / $PAGE), '-D', 'after=0', '-D', "key=$key",
        '-D', "version=$version", '-f', "$FindBin::Bin/feed.pgbench", 'portal');
    my ($rate) = $text =~ /^tps = ([\d.]+)/m;
    die "pgbench failed: $text\n" if !$rate || $text =~ /aborted|failed transactions: [1-9]/;
    _answered($stack, 'pgbench');

    return $rate * $PAGE;
}

sub _by_portal {
    my ($stack, $c, %key) = @_;

    my $after = 0;
    my $start = time;

    while (1) {
        my $page = $c->get("/api/changements?apres=$after&limite=$PAGE", headers => {%key});
        die 'the feed: ' . $page->status . "\n" if $page->status != 200;
        my @ids = $page->content =~ /"cursor" : \d+, "id" : (\d+)/g or last;
        ($after) = $page->content =~ /"next" : (\d+)/;
        my $told = $c->post('/api/changements/accuses',
            '{"changes":[' . join(',', map { qq({"id":$_,"state":"recorded"}) } @ids) . ']}',
            headers => { %key, 'Content-Type' => 'application/json' });
        die 'an answer: ' . $told->status . "\n" if $told->status != 200;
    }

    my $took = time - $start;
    _answered($stack, 'the portal');

    return $CHANGES / $took;
}


1;
