#!/usr/bin/perl

# A button that renews the session, pressed twice: the browser drops the first
# answer, and the new cookie with it, so that the second press comes with the
# session that the first has ended.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(twin);
use Portal::Test;

my $portal = portal();
my $NEW = 'une phrase que je retiens 42';
my $PATH = '/mon-compte/mot-de-passe';
my $n = 0;

sub in {
    my ($who) = @_;

    my $c = client(source => '127.0.6.' . ++$n);
    my $r = sign_in($c, $who);
    die 'no log-in: ', $r->status, "\n" if $r->status != 303;

    return $c;
}

# the browser as it was before the first press
sub before { my ($c) = @_; return twin($c, source => $c->{source}) }

sub open_of {
    my ($who) = @_;

    return $portal->psql("select count(*) from portal.session where account_id = $who->{id}
        and ended_at is null");
}

sub inside { $_[0]->get('/mon-espace')->status }

# a password changed, by who has pressed once: the form, the two browsers
sub changed {
    my ($who, %o) = @_;

    my $c = in($who);
    my $page = $c->get($PATH);
    my $old = before($c);
    my @form = ($page, { current_password => $who->{password}, new_password => $NEW });
    my $r = $c->submit(@form, %o);
    die 'not changed: ', $r->status, "\n" if $r->status != 303;
    $who->{password} = $NEW;

    return ($c, $old, \@form);
}


### the answer of the first press, and the session that goes on

{
    my $who = new_account();
    my ($c, $old, $form) = changed($who);
    my $former = $old->cookie('__Host-portal');

    is inside(before($old)), 303, 'T053 what was ended opens no page';
    my $r = $old->submit(@$form);
    is $r->status, 303, 'pressed again: the same answer' or diag $r->text;
    is $r->location, '/mon-compte?avis=password_changed', 'which says what was done';
    isnt $old->cookie('__Host-portal'), $former, 'with a cookie';
    isnt $old->cookie('__Host-portal'), $c->cookie('__Host-portal'), 'of its own';
    is inside($old), 200, 'that is good';
    is inside($c), 303, 'the one of the first answer is good no more';
    is open_of($who), 1, 'one session';
    is $portal->psql("select epoch from portal.account where id = $who->{id}"), 2,
        'T104 one change';
    is $portal->psql("select count(*) from portal.outbox where recipient = '$who->{email}'
        and template = 'password_changed'"), 1, 'T104 one mail';
    is $portal->psql("select count(distinct absolute_until) from portal.session
        where account_id = $who->{id}"), 1, 'which ends when the first would have';

    # a third time
    my $third = before($old);
    $third->cookie('__Host-portal', $former);
    is $third->submit(@$form)->status, 303, 'three times';
    is inside($third), 200, 'good';
    is open_of($who), 1, 'one session still';
}

# at the same time, in one worker or two
{
    my $who = new_account();
    my $c = in($who);
    my $page = $c->get($PATH);
    my @c = map { before($c) } 1 .. 4;
    my @r = Portal::Pending->pages(map { $_->submit($page, { current_password => $who->{password},
        new_password => $NEW }, pending => 1) } @c);
    is_deeply [map { $_->status . ' ' . ($_->location // '') } @r],
        [('303 /mon-compte?avis=password_changed') x 4], 'four at once: one answer'
        or diag map { $_->text } @r;
    is open_of($who), 1, 'one session';
    is scalar(grep { inside($_) == 200 } @c), 1, 'that one of them has';
    is $portal->psql("select epoch from portal.account where id = $who->{id}"), 2, 'one change';
}


### nobody else

my %not = (
    'logged out meanwhile' => sub { my ($c) = @_; $c->submit($c->get('/mon-espace'), {},
        form => '/deconnexion') },
    'logged out by the operator' => sub { my ($c, $who) = @_;
        $portal->psql("select portal.log_out_everywhere('saint-aubin', '$who->{email}')") },
    'logged out from elsewhere' => sub { my ($c, $who) = @_; my $other = in($who);
        $other->submit($other->get('/mon-compte/connexions'), {}, form => '/mon-compte/connexions') },
    'another password since, elsewhere' => sub { my ($c, $who) = @_; my $other = in($who);
        $other->submit($other->get($PATH), { current_password => $NEW,
            new_password => "$NEW encore" }) },
    'renewed again since' => sub { my ($c, $who) = @_; $c->submit($c->get($PATH),
        { current_password => $NEW, new_password => "$NEW encore" }) },
    'more than a minute later' => sub { my ($c, $who) = @_;
        $portal->psql("update portal.session set ended_at = now() - interval '61 seconds'
            where account_id = $who->{id} and ended_at is not null") },
    'another epoch' => sub { my ($c, $who) = @_;
        $portal->psql("update portal.account set epoch = epoch + 1 where id = $who->{id}") },
    'a closed account' => sub { my ($c, $who) = @_;
        $portal->psql("update portal.account set state = 'closed' where id = $who->{id}") },
);

for my $why (sort keys %not) {
    my $who = new_account();
    my ($c, $old, $form) = changed($who);
    $not{$why}->($c, $who);
    my $open = open_of($who);
    my $r = $old->submit(@$form);
    is $r->status, 401, "$why: 401" or diag $r->text;
    like $r->title, qr/Me connecter/, "$why: the log-in page";
    like $r->text, qr/a bien été envoyé la première fois/, "$why: which says that it was done";
    unlike $r->text, qr/n’a pas été envoyé/, "$why: and not that it was not";
    ok !$r->header('set-cookie') || $r->header('set-cookie') !~ /__Host-portal/, "$why: no cookie";
    is inside($old), 303, "$why: no session";
    is open_of($who), $open, "$why: none was opened";
    my %f = @{ $r->form('/connexion')->{fields} };
    is $f{next}, '/mon-compte', "$why: and where to go on";
    ok !defined $f{restore}, "$why: nothing to send again";
}

{
    my $who = new_account();
    my ($c, $old, $form) = changed($who);
    my ($page, $typed) = @$form;

    # another browser, other words, another key, no token
    my $r = before($old)->submit(@$form, headers => { 'User-Agent' => 'Mozilla/5.0 Firefox/128.0' });
    is $r->status, 401, 'another browser: 401';
    $r = before($old)->submit($page, { %$typed, new_password => "$NEW bis" });
    is $r->status, 401, 'other words: 401';
    like $r->text, qr/Votre formulaire n’a pas été envoyé/, 'other words: not sent';
    $r = before($old)->submit($page, { %$typed, key => 'another-key' });
    is $r->status, 401, 'another key: 401';
    $r = before($old)->submit($page, { %$typed, csrf => 'x' });
    is $r->status, 401, 'a forged token: the log-in page, and nothing';
    unlike $r->text, qr/la première fois/, 'not even that';
    my $thief = client(source => '127.0.6.250');
    $r = $thief->submit($page, $typed);
    isnt $r->status . ($r->location // ''), '303/mon-compte?avis=password_changed', 'without the cookie';
    is inside($c), 200, 'the person is still there';
    is open_of($who), 1, 'alone';
}

# who had stolen the session is out with the password that is changed
{
    my $who = new_account();
    my $thief = in($who);
    my $loot = $thief->get($PATH);
    my $typed = { current_password => $who->{password}, new_password => $NEW };
    my ($c) = changed($who);
    is inside($thief), 303, 'another session has ended at once';
    is $thief->submit($loot, $typed)->status, 401, 'whatever it sends';
    is inside($c), 200, 'the person is there';
    is open_of($who), 1, 'alone';
}


### the other forms that renew

{
    my ($monique) = grep { $_->{email} =~ /^monique/ } @{ $portal->demo->{accounts} };
    my $c = in($monique);
    my $page = $c->get('/famille');
    my ($family) = $page->content =~ m{name="family" value="(\d+)"};
    my $old = before($c);
    my @choose = ($page, { family => $family }, form => '/famille/choix');
    is $c->submit(@choose)->location, '/famille?avis=family', 'a family is chosen';
    my $r = $old->submit(@choose);
    is $r->status . ' ' . ($r->location // ''), '303 /famille?avis=family', 'twice' or diag $r->text;
    $page = $old->get('/famille');
    is $page->status, 200, 'its file is shown';
    unlike $page->content, qr{name="family" value="$family"}, 'the one that was chosen';
}

{
    $portal->psql("update portal.town set subscription_effect = 'immediate', version = version + 1
        where slug = 'saint-aubin'");
    my $who = new_account();
    my $c = in($who);
    my $code = free_code(town => 'saint-aubin', situation => 'couple');
    my $page = $c->submit($c->get('/mes-abonnements/nouveau'), { code => $code->{code}, step => 'search' });
    my $old = before($c);
    is $c->submit($page, { step => 'add' })->location, '/mes-abonnements?avis=subscribed', 'subscribed';
    my $r = $old->submit($page, { step => 'add' });
    is $r->status . ' ' . ($r->location // ''), '303 /mes-abonnements?avis=subscribed', 'twice'
        or diag $r->text;
    is $old->get('/famille')->status, 200, 'with the rights that came with it';

    $page = $old->get('/mes-abonnements');
    my ($path) = $page->content =~ m{"(/mes-abonnements/\d+/resiliation)"};
    $page = $old->get($path);
    my $older = before($old);
    is $old->submit($page, {}, form => $path)->location, '/mes-abonnements?avis=unsubscribed', 'left';
    $r = $older->submit($page, {}, form => $path);
    is $r->status . ' ' . ($r->location // ''), '303 /mes-abonnements?avis=unsubscribed', 'twice'
        or diag $r->text;
    is inside($older), 200, 'and still there';
    is $older->get('/famille')->status, 303, 'without that family';
    $portal->psql("update portal.town set subscription_effect = 'relogin', version = version + 1
        where slug = 'saint-aubin'");
}

### an agent who gives another code

{
    my $agent = new_agent();
    $agent->{id} = $portal->psql("select id from portal.agent where email = '$agent->{email}'");
    my $STEP = '/connexion/confirmation';
    my $open = sub { $portal->psql("select count(*) from portal.agent_session
        where agent_id = $agent->{id} and ended_at is null") };
    my $at = sub { $_[0]->get('/compte')->status };
    my $fresh = sub {
        $portal->psql("set session_replication_role = replica;
            update portal.agent set totp_step = 0 where id = $agent->{id}");
        my $c = agent_client(as => $agent);
        $portal->psql("set session_replication_role = replica;
            update portal.agent set totp_step = 0 where id = $agent->{id}");

        return ($c, $c->get("$STEP?suite=/journal"), otp($agent->{totp_secret}));
    };
    my $confirmed = sub {
        my ($c, $page, $code) = $fresh->();
        my $old = twin($c);
        my $r = step_up($c, $agent, page => $page, otp => $code);
        die 'no code taken: ', $r->status, "\n" if $r->status != 303;

        return ($c, $old, [$page, { otp => $code }, form => $STEP]);
    };

    my ($c, $old, $form) = $confirmed->();
    my $former = $old->cookie('__Host-agent');
    $portal->psql("update portal.agent_session set confirmed_at = confirmed_at - interval '9 seconds',
        opened_at = opened_at - interval '1 minute' where agent_id = $agent->{id} and confirmed_at is not null");
    my $when = sub { $portal->psql("select confirmed_at from portal.agent_session
        where agent_id = $agent->{id} and ended_at is null") };
    my $given = $when->();

    is $at->(twin($old)), 303, 'T053 what a code has ended opens no page';
    my $r = $old->submit(@$form);
    is $r->status . ' ' . ($r->location // ''), '303 /journal?avis=stepped_up',
        'a code sent twice: the same answer' or diag $r->text;
    isnt $old->cookie('__Host-agent'), $former, 'with a cookie';
    is $at->($old), 200, 'that is good';
    is $at->($c), 303, 'the one of the first answer is good no more';
    is $open->(), 1, 'one session';
    is $when->(), $given, 'T203 the five minutes are those of the code';
    is $portal->psql("select count(*) from portal.audit where action = 'agent_step_up'
        and object_id = $agent->{id}"), 1, 'the audit has one code';

    my $third = twin($old);
    $third->cookie('__Host-agent', $former);
    is $third->submit(@$form)->status, 303, 'three times';
    is $at->($third), 200, 'good';
    is $open->(), 1, 'one session still';

    # at the same time
    my ($now, $page, $code) = $fresh->();
    my $were = $open->();
    my @c = map { twin($now) } 1 .. 4;
    my @r = Portal::Pending->pages(map { $_->submit($page, { otp => $code }, form => $STEP,
        pending => 1) } @c);
    is_deeply [map { $_->status . ' ' . ($_->location // '') } @r],
        [('303 /journal?avis=stepped_up') x 4], 'four codes at once: one answer'
        or diag map { $_->text } @r;
    is $open->(), $were, 'no session more';
    is scalar(grep { $at->($_) == 200 } @c), 1, 'one of them has it';
    cmp_ok $portal->psql("select max(count) from portal.attempt a join portal.agent g
        on g.email_mac = a.key where g.id = $agent->{id}") // 0, '<', 5, 'and the agent is not locked out';

    # nobody else
    my %nor = (
        'logged out meanwhile' => sub { my ($c) = @_;
            $c->submit($c->get('/compte'), {}, form => '/deconnexion') },
        'another code since' => sub { my ($c) = @_; step_up($c, $agent) },
        'more than a minute later' => sub { $portal->psql("update portal.agent_session
            set ended_at = now() - interval '61 seconds'
            where agent_id = $agent->{id} and ended_at is not null") },
        'the first in another browser' => sub { $portal->psql("update portal.agent_session
            set browser = 'Firefox' where agent_id = $agent->{id} and ended_at is null") },
        'other rights' => sub { $portal->psql("update portal.agent set epoch = epoch + 1
            where id = $agent->{id}") },
        'an account that is disabled' => sub { $portal->psql("update portal.agent set state = 'disabled'
            where id = $agent->{id}") },
    );
    for my $why (sort { $a =~ /disabled/ <=> $b =~ /disabled/ || $a cmp $b } keys %nor) {
        ($c, $old, $form) = $confirmed->();
        $nor{$why}->($c);
        my $open_now = $open->();
        my $r = $old->submit(@$form);
        is $r->status, 401, "a code, $why: 401" or diag $r->text;
        like $r->text, qr/a bien été envoyé la première fois/, "a code, $why: it says that it was done";
        is $at->($old), 303, "a code, $why: no session";
        is $open->(), $open_now, "a code, $why: none was opened";
    }
    $portal->psql("update portal.agent set state = 'active' where id = $agent->{id}");

    ($c, $old, $form) = $confirmed->();
    is twin($old)->submit(@$form, headers => { 'User-Agent' => 'Mozilla/5.0 Firefox/128.0' })->status,
        401, 'a code, another browser: 401';
    is twin($old)->submit($form->[0], { otp => '123456' }, form => $STEP)->status, 401,
        'a code, another one: 401';
    is twin($old)->submit($form->[0], { %{ $form->[1] }, key => 'another-key' }, form => $STEP)->status,
        401, 'a code, another key: 401';
    is $at->($c), 200, 'the agent is still there';
}

# two guesses a change at most: whoever presses twice is not locked out
is $portal->psql("select coalesce(max(count), 0) <= 2 from portal.attempt
    where kind like 'sign_in%' and kind not in ('sign_in_ip', 'sign_in_net')"), 't', 'and nobody is locked out';

done_testing;
