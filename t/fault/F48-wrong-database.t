#!/usr/bin/perl

# A database that is not this portal's: another key file's, one without
# migrations, one of another version.  503 and a line that says what to do.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;

# nginx on a new stack, whose database is bent before
sub stack {
    my ($bend, %o) = @_;

    my $p = Portal::Stack->new(%o);
    $p->prepare;
    $p->start_database;
    $bend->($p);
    $p->start_redis;
    $p->start_mail;
    $p->start_nginx;

    return Portal::Test::adopt($p);
}

sub refused_ok {
    my ($when) = @_;

    my $c = client();
    cheap_ok($c, $when);
    my $page = $c->get('/inscription/confirmation?jeton=' . 'A' x 43);
    refused_busy_ok($page, undef, "$when, a page");
    my $account = account(qr/couple/);
    my ($html, $json) = together(map {
        $_->submit($c->get('/connexion'), { email => $account->{email},
            password => $account->{password} }, pending => 1)
    } $c, twin($c));
    refused_busy_ok($html, undef, "$when, log-in", 3);
    is scalar(log_lines(qr/database answered not in time/)), 0,
        "$when: told at once";
}

# what operators run once, on a pipe: exit code and words
sub noted {
    my ($p, $keys) = @_;

    my $said = `'@{[ top() ]}/build/portal-tool' -k '$keys' check |
        '@{[ top() ]}/sql/key_check' @{[ $p->pg->psql_args ]} 2>&1`;

    return ($? >> 8, $said);
}

### another key file

stack(sub {
    my ($p) = @_;

    rename $p->keys, $p->keys . '.good';
    system(top() . '/build/portal-tool', 'keys', $p->keys) == 0 or die;
    # a mail with a link: who has other keys can only give it up
    $p->psql("insert into portal.outbox (tenant, recipient, template, token_sealed, message_id)
        select tenant, 'qui\@parents.example', 'reset', copy, 'un\@saint-aubin.example'
        from portal.code where tenant = 1 and copy is not null limit 1");
}, jobs => 'codes=100ms chain=100ms');
wait_for(3, sub { log_lines(qr/key file/) >= 2 });
refused_ok('another key file');
ok !wait_for(4, sub { portal()->psql("select count(*) from pg_stat_activity
    where usename = 'portal_jobs'") }), 'no job is done';
is portal()->psql("select state from portal.outbox where recipient = 'qui\@parents.example'"),
    'queued', 'a mail waits for who can open its token';
{
    my $p = portal();
    my $value = sub { scalar $p->psql("select value from portal.setting where name = 'key_check'") };
    my $was = $value->();
    my ($rc, $said) = noted($p, $p->keys);
    ok $rc == 1 && $said =~ /another key file/, 'sql/key_check says so' or diag $rc, $said;
    ($rc, $said) = noted($p, $p->keys . '.good');
    ok $rc == 0 && $said =~ /is the key file of this/, 'and which one is right' or diag $rc, $said;
    is $value->(), $was, 'and replaces nothing';
    ($rc, $said) = noted($p, '/nonexistent');
    is $rc, 2, 'without a key file nothing is noted' or diag $said;
    $p->psql("delete from portal.setting where name = 'key_check'");
    ($rc, $said) = noted($p, $p->keys . '.good');
    ok $rc == 0 && $said =~ /belongs to this key file now/, 'a new database is tied to its file'
        or diag $rc, $said;
    is $value->(), $was, 'by what nginx compares';
}
is scalar(log_lines(qr/\[crit\].*key file ".*" is not the one/)), 2,
    'one line of each worker';
my @opened = portal()->psql('select count(*) from portal.session');
is $opened[0][0], portal()->psql("select count(*) from portal.session
    where opened_at < now() - interval '1 minute'"), 'nobody was let in';
portal()->stop;

### the same, when PostgreSQL comes later: nothing passes before the check

my $p = stack(sub {
    my ($p) = @_;

    system(top() . '/build/portal-tool', 'keys', $p->keys . '.new') == 0
        or die;
    rename $p->keys . '.new', $p->keys;
    $p->stop_database;
});
my $c = client();
my $form = $c->get('/connexion');
my $account = account(qr/couple/);
$p->start_database;
my %seen;
for (1 .. 30) {
    my $page = $c->get('/inscription/confirmation?jeton=' . 'A' x 43);
    $seen{ $page->status }++;
    select undef, undef, undef, 0.05;
}
is_deeply \%seen, { 503 => 30 }, 'no call before the key file is checked'
    or diag explain \%seen;
$p->stop;

### no migrations

stack(sub {
    $_[0]->psql('set client_min_messages = error;
        drop schema portal cascade');
});
refused_ok('no migrations');
wait_for(3, sub { log_lines(qr{run sql/migrate}) >= 2 });
is scalar(log_lines(qr{\[error\].*schema.*run sql/migrate})), 2,
    'the log says what to do, once in each worker' or diag log_lines(qr/error/);
portal()->stop;

### functions of an older version: what a page calls is not there

stack(sub { $_[0]->psql('drop function portal.confirmation(jsonb)') });
refused_busy_ok(client()->get('/inscription/confirmation?jeton=' . 'A' x 43),
    undef, 'a function is missing');
is client()->get('/connexion')->status, 200, 'other pages work';
ok log_lines(qr{lacks what the pages name: confirmation}), 'told at the start';
ok log_lines(qr{\[error\].*schema.*run sql/migrate}), 'and when it is called';
portal()->stop;

### another version

stack(sub { $_[0]->psql("create or replace function portal.schema_oldest()
    returns int language sql immutable as 'select 2'; create or replace function
    portal.schema_version() returns int language sql immutable as 'select 3'")
});
refused_ok('another version');
ok log_lines(qr{\[error\].*schema.*run sql/migrate}), 'the log says what to do'
    or diag log_lines(qr/error/);

done_testing;
