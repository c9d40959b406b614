#!/usr/bin/perl

# What the periodic jobs do by themselves: accounts that were never confirmed
# or that nobody uses, traces past their time, the chain of the audit; and the
# page that tells the town's periods.

use strict;
use warnings;
use utf8;

use Portal::Place qw(slurp);
use Portal::Test;

my $portal = portal(jobs => 'purge=300ms chain=200ms');

sub rows {
    my ($sql) = @_;

    return scalar $portal->psql("select count(*) from portal.$sql");
}

sub gone {
    my ($sql, $what) = @_;

    ok wait_for(30, sub { rows($sql) == 0 }), $what;
}

sub logged {
    my ($pattern) = @_;

    return scalar grep { /$pattern/ } split /^/, slurp($portal->nginx->error_log);
}


### an account that was never confirmed

{
    my $c = client(source => '127.0.9.1');
    my ($person, $first) = sign_up($c);
    my $mail = mail_to($person->{email});
    my $where = "account where email = '$person->{email}'";
    is rows($where), 1, 'an account waits';

    $portal->psql("update portal.account set signed_up_at = now() - interval '8 days'
        where email = '$person->{email}'");
    gone($where, 'and vanishes when its days are over');
    ok logged(qr/\[notice\].*job "purge": saint-aubin account_unconfirmed 1$/),
        'the log says how many, and of which town';
    is rows("retention_run where kind = 'account_unconfirmed' and rows = 1"), 1,
        'so does the table';

    like $c->get($mail->{link})->text, qr/n’est pas reconnu/, 'its link is unknown';

    my $again = client(source => '127.0.9.2');
    my (undef, $second) = sign_up($again, email => $person->{email});
    is $second->location, $first->location, 'the address may sign up again';
    ok wait_for(20, sub {
        (grep { $_->{id} ne $mail->{id} } mails(to => $person->{email}, wait => 0)) == 1
    }), 'and is sent a new link';
}


### an account that nobody uses

{
    my $inès = account(qr/unlinked/);
    my $where = "email = '$inès->{email}'";

    $portal->psql("update portal.account set last_used_on = current_date - 1070 where $where");
    my $mail = mail_to($inès->{email}, wait => 30);
    like $mail->{subject}, qr/va être fermé/, 'a mail warns';
    my ($until) = $portal->psql('select extract(day from current_date + 30)::int');
    like $mail->{text}, qr/il sera fermé le\s+$until->[0](?:er)? \w+ \d{4}\./, 'it says when';
    like $mail->{text}, qr{\Q@{[ $portal->url ]}\E/connexion}, 'and where to log in';

    is sign_in(client(source => '127.0.9.3'), $inès)->location, '/mon-espace', 'a log-in';
    is scalar($portal->psql("select last_used_on = current_date and warned_on is null
        from portal.account where $where")), 't', 'counts as use';

    $portal->psql("update portal.account set last_used_on = current_date - 1096,
        warned_on = current_date - 30 where $where");
    gone("account where $where", 'thirty days after a warning it is closed');
    ok wait_for(20, sub { mails(to => $inès->{email}, wait => 0) == 2 }), 'a mail says so';
    $mail = mail_to($inès->{email});
    like $mail->{text}, qr/est fermé, comme nous vous l’avions annoncé/, 'and why';
    is sign_in(client(source => '127.0.9.4'), $inès)->status, 422, 'nobody logs in any more';
}


### traces

{
    ok rows('audit') > 3, 'traces were left';
    gone('audit where hash is null', 'the job chains them');
    is $portal->psql('select portal.audit_verify()->>\'status\'', 'portal_jobs'), 200,
        'the chain holds';

    $portal->psql("insert into portal.attempt select 1, 'test', int8send(n), 1,
        now() - interval '3 days',
        now() - interval '3 days', '-infinity' from generate_series(1, 1200) n");
    gone("attempt where kind = 'test'", 'many rows');
    is $portal->psql("select string_agg(rows::text, ' ' order by id)
        from portal.retention_run where kind = 'attempt'"), '500 500 200', 'batch by batch';
}


### requests: with their values for a while, without a name for longer

{
    my ($c, $person) = parent(source => '127.0.9.5');
    my $account = $portal->psql("select id from portal.account where email = '$person->{email}'");
    my $guardian = $portal->psql("select guardian_id from portal.subscription
        where account_id = $account");
    my $base = "/famille/responsables/$guardian/base";
    my (@id, $n);

    # what a guardian may change of this family, and takes back again
    for my $then ('withdrawn', 'withdrawn', 'sent') {
        my $r = $c->submit($c->get($base), { profession => 'Métier ' . ++$n, step => 'send' },
            form => $base);
        push @id, $r->location =~ m{/demandes/(\d+)} or die $r->text;
        my $path = "/famille/demandes/$id[-1]";
        $c->submit($c->get($path), {}, form => $path) if $then eq 'withdrawn';
    }
    my ($old, $young, $open) = @id;
    $portal->psql("update portal.town set keep_request = 100 where id = 1");
    $portal->psql("update portal.change_set set updated_at = now() - case id when $young
        then interval '99 days' else interval '101 days' end where id in ($old, $young, $open)");
    gone("change_set where id = $old", 'a request that is over goes when its days are');
    is rows("change_item where set_id = $old") + rows("change_event where set_id = $old"), 0,
        'with the values that it asked for, and its history';
    is rows("change_set where id = $young"), 1, 'a younger one stays';
    is rows("change_set where id = $open"), 1, 'one that waits for an answer stays, however old';
    ok rows("audit where object = 'change_set' and object_id = $old"), 'the audit stays';
    ok logged(qr/saint-aubin change_set 1/), 'the log says so';

    # as the job does with one that nobody uses: not before all is answered
    $portal->psql("update portal.account set last_used_on = current_date - 1200,
        warned_on = current_date - 40 where id = $account");
    my $now = $portal->psql('select clock_timestamp()');
    ok wait_for(20, sub { $portal->psql("select ran_at > '$now' from portal.job
        where name = 'purge'") eq 't' }), 'the job runs';
    ok wait_for(20, sub { $portal->psql("select ran_at > '$now'::timestamptz + interval '0.5 s'
        from portal.job where name = 'purge'") eq 't' }), 'and is done with a run';
    is $portal->psql("select state from portal.account where id = $account"), 'active',
        'an account whose request is open is not closed';
    my $path = "/famille/demandes/$open";
    is sign_in($c = client(source => '127.0.9.6'), $person)->status, 303, 'its owner is in time';
    $c->submit($c->get($path), {}, form => $path);

    my $r = $c->submit($c->get('/mes-donnees/fermeture'),
        { current_password => $person->{password} }, form => '/mes-donnees/fermeture');
    is $r->location, '/?avis=closed', 'who has nothing open closes the account';
    is rows("change_set where id in ($young, $open)"), 2, 'the town keeps what was asked';
    $portal->psql("update portal.account set closed_at = now() - interval '800 days'
        where id = $account");
    gone("account where id = $account", 'what is left of the account goes');
    is rows("change_set where id in ($young, $open) and account_id is null"), 2,
        'the requests stay, and are nobody\'s';
    is scalar($portal->psql("select count(*) from portal.change_set s where s.id in
        ($young, $open) and s::text like '%$person->{email}%'")), 0, 'no address is in them';
    is rows("change_event where set_id = $open and by_kind = 'family'"), 2,
        'their history says that it was the family';
}


### life goes on: another worker, and a database that was away

{
    my $old = "insert into portal.attempt values (1, 'test', '', 1,
        now() - interval '3 days',
        now() - interval '3 days', '-infinity')";
    my @before = $portal->nginx->workers;

    $portal->reload;
    ok wait_for(30, sub {
        my %now = map { $_ => 1 } $portal->nginx->workers;
        !grep { $now{$_} } @before;
    }), 'timers do not keep a worker that quits';
    $portal->psql($old);
    gone("attempt where kind = 'test'", 'its successor does the jobs');

    $portal->stop_database;
    ok wait_for(30, sub { logged(qr/the job "purge" was not done/) }), 'no database: it is said';
    $portal->start_database;
    $portal->psql($old);
    gone("attempt where kind = 'test'", 'and done again when it is back');
}


### the page says what is so

{
    my $c = client();
    ok wait_for(20, sub { $c->get('/donnees-personnelles')->text
        =~ /Compte jamais confirmé 7 jours/ }), 'the periods are on the page';
    my $text = $c->get('/donnees-personnelles')->text;
    like $text, qr/Compte sans connexion 3 ans, puis il est fermé/, 'years';
    like $text, qr/Traces des opérations, qui servent à la sécurité un an/, 'a year';
    like $text, qr/Messages envoyés 30 jours/, 'days';

    $portal->psql("update portal.town set keep_audit = 180, keep_unconfirmed = 12 where id = 1");
    ok wait_for(20, sub {
        sign_in($c, { email => 'nobody@exemple.fr', password => 'x' });
        my $text = $c->get('/donnees-personnelles')->text;
        $text =~ /confirmé 12 jours/ && $text =~ /la sécurité 6 mois/;
    }), 'and follow the town\'s settings';
    my $other = client(town => 'beaulieu');
    $text = $other->get('/donnees-personnelles')->text;
    unlike $text, qr/12 jours/, 'of that town alone';
    like $text, qr/Abonnements terminés un an/, 'what ended while the account goes on';
    like $text, qr/Passé ce délai, l’effacement est automatique\. Compte jamais/, 'erased without more ado';
    like $text, qr/logiciel de la mairie/, 'whom it goes to';

    # where the town looks at a list before
    $portal->psql("update portal.town set purge_mode = 'approval' where id = 2");
    ok wait_for(20, sub {
        sign_in($other, { email => 'nobody@exemple.fr', password => 'x' });
        $other->get('/donnees-personnelles')->text
            =~ /automatique, sauf pour les demandes, les justificatifs et les photos/;
    }), 'not where a list is approved first';
}

### what is erased early is not forgotten where it is only counted, or told by the journal

{
    my $where = "month_figure where tenant = 1";
    $portal->psql("update portal.town set keep_closed = 1826, keep_audit = 1826 where id = 1;
        delete from portal.$where");
    my ($family, $sub, $number) = @{ ($portal->psql("select f.id, s.id, f.number from portal.subscription s
        join portal.family f on f.id = s.family_id where s.tenant = 1 and s.ended_at is null
          and (select count(*) from portal.subscription o where o.family_id = f.id) = 1 limit 1"))[0] };
    $portal->psql("update portal.subscription set since = now() - interval '200 days', effective_at = now() - interval '200 days',
            ended_at = now() - interval '100 days' where id = $sub;
        insert into portal.audit (tenant, at, account_id, action, outcome, object, object_id)
        select 1, effective_at, account_id, 'subscribe', 'ok', 'subscription', id from portal.subscription where id = $sub");
    $portal->psql("delete from portal.$where");
    ok wait_for(30, sub { rows($where) == 12 }), 'each month that is over has its number';

    my $chief = agent_client(role => 'administrator', json => 1);
    my $chart = sub { [map { $_->{bars}[0]{value} } @{ $chief->get('/statistiques')->json->{linked}{rows} }] };
    my $told = sub { [map { $_->{action} } grep { ($_->{object} // '') eq 'subscription' && $_->{object_id} == $sub }
        @{ $chief->get("/journal?famille=$number")->json->{rows} }] };
    my $before = $chart->();
    my $most = (sort { $b <=> $a } map { $_ // 0 } @$before)[0];
    cmp_ok $most, '>', 0, 'some were connected in some month';
    is_deeply $told->(), ['subscribe'], 'the journal of the family tells who was connected';

    $portal->psql("update portal.town set keep_closed = 7 where id = 1");
    gone("subscription where id = $sub", 'the connection is erased');
    is_deeply $chart->(), $before, 'the months count what they did';
    is_deeply $told->(), ['subscribe'], 'the journal still tells it';
    is rows("subscription_past where id = $sub"), 1, 'by which family it was with';
    is join(' ', map { $_->[0] } $portal->psql("select attname from pg_attribute where attrelid = 'portal.subscription_past'::regclass
        and attnum > 0 order by 1")), 'family_id id tenant', 'and no person';

    # of some schools alone nobody knows any more
    my ($school) = $portal->psql("select s.name from portal.schooling s where s.tenant = 1 order by s.year desc limit 1");
    my $some = new_agent(name => 'Rose Limitée');
    $portal->psql("update portal.agent set schools = array['" . ($school->[0] =~ s/'/''/gr) . "'] where email = '$some->{email}'");
    my $limited = agent_client(as => $some, json => 1)->get('/statistiques')->json->{linked}{rows};
    is $limited->[0]{bars}[0]{known}, JSON::PP::false(), 'an agent of one school reads that it is not known';
    is $limited->[11]{bars}[0]{known}, JSON::PP::true(), 'but for now';

    # as long as the audit
    $portal->psql("set session_replication_role = replica; delete from portal.audit where object = 'subscription' and object_id = $sub");
    gone("subscription_past where id = $sub", 'what the journal tells nothing of is erased, too');
    $portal->psql("insert into portal.month_figure values (1, date_trunc('month', current_date - 450), 3)");
    gone("month_figure where month < current_date - 432", 'and old numbers');
}

### agents who have left

{
    my $leaver = new_agent(name => 'Léa Partie');
    my $clerk = new_agent(name => 'Max Ailleurs');
    my ($id, $other) = map { scalar $portal->psql("select id from portal.agent where email = '$_->{email}'") } $leaver, $clerk;
    my $chief = agent_client(role => 'administrator', json => 1);
    my $gone_from = sub { !grep { $_->{id} == $_[0] } @{ $chief->get('/agents')->json->{people} } };
    my $off = sub { json_post($chief, "/agents/$_[0]", { step => 'disable', version => $chief->get("/agents/$_[0]")->json->{version} }) };
    my $ago = sub { $portal->psql("update portal.agent set left_at = now() - interval '$_[0] days' where id in ($id, $other)") };

    agent_client(as => $leaver, json => 1)->get('/familles/' . $portal->psql("select id from portal.family where number = '104201'"));
    $portal->psql("update portal.town set keep_audit = 180, keep_request = 200 where id = 1;
        insert into portal.agent_recovery (tenant, mac, agent_id) select 1, sha256('x'), $id");
    is $off->($_)->status, 200, 'disabled' for $id, $other;
    my $purged = sub {
        my $ran = $portal->psql("select ran_at from portal.job where name = 'purge'");
        wait_for(patient(30), sub { $portal->psql("select ran_at > '$ran' from portal.job where name = 'purge'") eq 't' }) or return 0
            for 1 .. 2;
        return 1;
    };
    $ago->(29);
    ok $purged->(), 'the job has run';
    is rows("agent where id = $id and email is not null and totp is not null"), 1, 'for 30 days all is there, should they come back';
    ok !$gone_from->($id), 'on the page, too';

    $ago->(31);
    gone("agent where id in ($id, $other) and (email is not null or email_mac is not null or password_hash is not null or totp is not null)",
        'then what lets them in is erased');
    is rows("agent_recovery where agent_id = $id"), 0, 'with the codes';
    is rows("agent_device where agent_id = $id"), 0, 'and the devices';
    ok $gone_from->($id), 'the page has them no more';
    is $chief->get("/agents/$id")->status, 404, 'nor one of their own';
    is_deeply [map { $_->{name} } grep { $_->{action} eq 'read_family' } @{ $chief->get("/journal?agent=$id")->json->{rows} }], ['Léa Partie'],
        'the journal still says who has read';

    $ago->(201);
    gone("agent where id = $other", 'whom nothing names is erased after the longest period');
    is rows("agent where id = $id and last_name = 'Partie'"), 1, 'whom the audit names is not';
    is json_post($chief, '/agents', { first_name => 'Léa', last_name => 'Partie', email => $leaver->{email}, role => 'reader' })->status, 200,
        'who comes back is invited as anybody';
    my ($order) = $portal->psql("insert into portal.code_order (tenant, wanted, asked_by, asked_at, ended_at) values (1, 1, $id, now(), now()) returning id");
    $portal->psql("set session_replication_role = replica; update portal.audit set agent_id = null where agent_id = $id");
    gone("agent where id = $id and last_name is not null", 'and when nothing but a number does, the name goes');
    is rows("agent where id = $id and first_name is null"), 1, 'the number stays';
}

done_testing;
