#!/usr/bin/perl

# No secret in a log: the guide's journey, its mistakes and its bad days, with
# values that are searched for afterwards in all that the servers wrote, and in
# a dump of the database.

use Portal::Test;

use strict;
use warnings;
use utf8;
use feature qw(state);

use File::Find ();

use Portal::Fault;
use Portal::Place qw(make_dir slurp spew);

my $p = Portal::Stack->new(server => gate_only() . q{
    limit_req zone=slow burst=1000 nodelay;
    location = /t/limited { portal_allow public; portal_page home; limit_req zone=one; }
    location = /t/proxy   { portal_allow public; proxy_pass http://127.0.0.1:9; }
});

# all that nginx says but its debug level; and what the portal's own format is
# there to avoid, as proof that the search finds what is there
$p->{main} = "error_log $p->{dir}/nginx/logs/info.log info;";
$p->{http} = "access_log $p->{dir}/proof.log combined;
    limit_req_zone \$binary_remote_addr zone=slow:1m rate=1000r/s;
    limit_req_zone \$server_name zone=one:1m rate=1r/m;";
$p->prepare;
$p->start_database;
$p->psql("alter role $_ set log_statement = 'all';
    alter role $_ set log_min_duration_statement = 0") for qw(portal_web portal_jobs);
$p->start_redis;
$p->redis_cli(qw(CONFIG SET slowlog-log-slower-than 0));
$p->redis_cli(qw(CONFIG SET slowlog-max-len 100000));
$p->start_mail;
$p->start_nginx;
Portal::Test::adopt($p);
wait_for(10, sub { client()->get('/connexion')->title =~ /Saint-Aubin/ });

# name => value; people => those that may be in the database, not in a log
my (%secret, %people);

sub cookies {
    my ($c) = @_;
    state $n = 0;

    $secret{ "$_ " . ++$n } = $c->cookie("__Host-$_")
        for grep { length($c->cookie("__Host-$_") // '') } qw(portal visit agent device);
}

### the journey

my $c = client(source => '127.0.6.1');
my $password = 'Kanarienvogel-7291-xQ';
%people = (first => 'Canarine', last => 'Serinus', email => 'canari.serinus@parents.example');
$secret{password} = $password;

my ($person) = sign_up($c, password => $password, first_name => $people{first},
    last_name => $people{last}, email => $people{email});
cookies($c);
my $mail = mail_to($people{email});
($secret{token}) = $mail->{link} =~ /jeton=([\w-]{43})/;

my $other = client(source => '127.0.6.2');
my $page = $other->get($mail->{link});
$other->get('/static/portal.css', headers => { Referer => $mail->{link} });
$secret{'wrong password'} = 'Zaunkoenig-4410-rT';
$other->submit($page, { password => $secret{'wrong password'} });
$other->submit($page, { password => $password });
cookies($other);

$c->get($mail->{link});
sign_in($c, { %$person, password => $secret{'wrong password'} });
is sign_in($c, $person)->status, 303, 'in';
cookies($c);

my $code = free_code();
$secret{code} = $code->{code};
($secret{'bare code'}) = map { s/-//gr } $code->{code};
$secret{'wrong code'} = 'QXTZ-7RKM-9WPD';
$c->submit($c->get('/mes-abonnements/nouveau'), { code => $secret{'wrong code'}, step => 'search' });
subscribe($c, $code->{code}, $person);
cookies($c);

# a guardian's IBAN, a child's health
my ($family) = $p->psql("select s.family_id from portal.subscription s
    join portal.account a on a.id = s.account_id where a.email = '$people{email}'");
$family = $family->[0];
$secret{iban} = 'FR7630006000011234567890189';
$secret{allergy} = 'Allergie-aux-canaris-5518';
$secret{notes} = 'Porte-une-attelle-au-genou-3307';
my ($child) = $p->psql("select c.id, c.seal_id from portal.child c
    join portal.child_family f on f.child_id = c.id where f.family_id = $family limit 1");
ok $child, "the family has a child";
my %sealed = map {
    my ($field, $value) = @$_;
    $field => tool(join "\t", 'seal', 'saint-aubin', 'child', $child->[1], $field, $value);
} [allergies => $secret{allergy}], [notes => $secret{notes}];
$p->psql("insert into portal.health (tenant, child_id) values (1, $child->[0])
    on conflict do nothing;
    update portal.health set allergies = '$sealed{allergies}', notes = '$sealed{notes}'
    where child_id = $child->[0]");
my ($guardian) = $p->psql("select g.id, g.seal_id from portal.guardian g join portal.subscription s
    on s.guardian_id = g.id join portal.account a on a.id = s.account_id
    where a.email = '$people{email}'");
my $iban = tool(join "\t", 'seal', 'saint-aubin', 'guardian', $guardian->[1], 'iban', $secret{iban});
$p->psql("update portal.bank set iban = '$iban' where guardian_id = $guardian->[0]");

sub pages {
    my ($who) = @_;

    return map { $who->get($_) } '/mon-espace', '/famille', '/mes-abonnements',
        "/famille/enfants/$child->[0]", "/famille/responsables/$guardian->[0]";
}

my $json = twin($c, json => 1);
my @pages = (pages($c), pages($json));
ok((grep { $_->content =~ /$secret{allergy}/ } @pages), 'health is shown');
ok((grep { $_->content =~ /$people{last}/ } @pages), 'names are');

# and asked for: what is good, what is refused
my ($tax, $bank, $health) = ((map { "/famille/responsables/$guardian->[0]/$_" } qw(fiscales bancaires)),
    "/famille/enfants/$child->[0]/sante");
%secret = (%secret, 'asked tax number' => '3023217600053', 'asked income' => '73918264',
    'asked iban' => 'FR1420041010050500013M02606', 'wrong iban' => 'FR1520041010050500013M02606',
    'asked note' => 'Serin-des-Canaries-9917', 'refused note' => 'Gimpel 1 85 05 78 006 084 91');
my @asked = (
    [$tax, { tax_number => $secret{'asked tax number'}, reference_income => $secret{'asked income'} }],
    [$bank, { iban => $secret{'wrong iban'}, mandate => 'yes' }],
    [$bank, { holder => 'Un titulaire', iban => $secret{'asked iban'}, mandate => 'yes' }],
    [$health, { notes => $secret{'refused note'} }],
    [$health, { notes => $secret{'asked note'} }],
);
is join(' ', map { $c->submit($c->get($_->[0]), { %{ $_->[1] }, step => 'send' })->status } @asked),
    '303 422 303 422 303', 'tax, bank and health are asked for';
like $c->get("/famille/enfants/$child->[0]")->content, qr/$secret{'asked note'}/, 'and shown';


### an agent

my $agent = new_agent(password => $secret{'agent\'s password'} = 'Stieglitz-8842-kleiner-Vogel',
    name => 'Distelfink Pirol', email => $people{agent} = 'distelfink@mairie.example');
$secret{authenticator} = $agent->{totp_secret};
$secret{'agent\'s wrong password'} = 'Kernbeisser-6120-im-Garten';
my $desk = client(source => '127.0.6.5', agents => 1);
log_in_agent($desk, { %$agent, password => $secret{'agent\'s wrong password'} });
log_in_agent($desk, $agent, otp => '000000');
is log_in_agent($desk, $agent)->status, 303, 'an agent is in';
cookies($desk);
$desk->get($_) for qw(/ /compte /session);
$p->psql("set session_replication_role = replica; update portal.agent set totp = repeat('A', 90)
    where email = '$people{agent}'");
is log_in_agent(client(source => '127.0.6.5', agents => 1), $agent)->status, 422, 'a secret that does not open';


### bad requests

my $long = 'x' x 70_000;
$c->post('/connexion', "password=$password&$long");
$c->post('/connexion', "password=$password&%zz");
$c->post('/connexion', "{\"password\":\"$password\"", headers => { 'Content-Type' => 'application/json' });
$c->post('/connexion', "password=$password", headers => { 'Content-Type' => 'text/plain' });
$c->get("/t/limited?jeton=$secret{token}") for 1 .. 4;
$c->get("/t/proxy?jeton=$secret{token}");
$c->get("/nulle-part?jeton=$secret{token}");


### bad days: each form while something fails

sub forms {
    my ($d, $e) = map { client(source => "127.0.6.$_") } 3, 4;
    my $in = $d->get('/connexion');
    my $up = $e->get('/inscription');
    my @sealed = map { [$c->get($_->[0]), $_->[1]] } @asked;

    return sub {
        $e->get("/inscription/confirmation?jeton=$secret{token}");
        $d->submit($in, { email => $people{email}, password => $password });
        $e->submit($up, { last_name => $people{last}, first_name => $people{first},
            email => "x$people{email}", password => $password, $e->captcha($up) });
        cookies($_) for $d, $e;
        $c->submit($_->[0], { %{ $_->[1] }, comment => rand, step => 'send' })
            for grep { $_->[0]->form } @sealed;
        pages($c), pages(twin($c, json => 1));
    };
}

# PostgreSQL refuses each write, with the row in its message
my $send = forms();
$p->psql("alter table portal.session add constraint t_session check (tenant = 0) not valid;
    alter table portal.account add constraint t_account check (tenant = 0) not valid;
    alter table portal.outbox add constraint t_outbox check (tenant = 0) not valid;
    alter table portal.change_item add constraint t_item check (tenant = 0) not valid");
my @refused = $send->();
$p->psql("alter table portal.session drop constraint t_session;
    alter table portal.account drop constraint t_account;
    alter table portal.outbox drop constraint t_outbox;
    alter table portal.change_item drop constraint t_item");
ok log_lines(qr/database error 23514 in "$_" constraint t_/), "$_: refused by a constraint"
    for qw(sign_up ask_change);

# a value that does not open
expect_complaint(qr/a sealed value does not open/);
$p->psql("update portal.health set allergies = notes where child_id = $child->[0]");
is $c->get("/famille/enfants/$child->[0]")->status, 500, 'a value that does not open';
$p->psql("update portal.health set allergies = '$sealed{allergies}' where child_id = $child->[0]");

# the mail server refuses
$p->mail_fault('550 xcanari.serinus@parents.example');
forms()->();
wait_for(10, sub { log_lines(qr/mail .*: (?:failed|retry)/) });
ok log_lines(qr/mail .*: (?:failed|retry)/), 'a mail is refused';
$p->mail_fault(undef);

my $slow = $p->redis_cli(qw(SLOWLOG GET 100000)) // '';
like $slow, qr/^mget$/mi, 'Redis told all its commands';
spew("$p->{dir}/slowlog.txt", $slow);

$send = forms();
$p->stop_redis;
$send->();
$p->start_redis;
$send = forms();
$p->stop_database;
$send->();
ok log_lines(qr/database is down/), 'PostgreSQL away';
$p->start_database;
ok wait_for(15, sub { sign_in($c, $person)->status == 303 }), 'and back';
cookies($c);
$c->submit($c->get('/mon-espace'), {}, form => '/deconnexion');


### what they wrote

$p->stop;

my @logs;
File::Find::find({ no_chdir => 1, wanted => sub {
    push @logs, $_ if -f && /\.(?:log|txt)$/ && !/proof\.log$/
        || m{/pgdata/log/};
} }, $p->dir);
for my $need (qw(error.log info.log access.log postgresql.log redis.log smtpd.log slowlog.txt)) {
    ok((grep { m{/\Q$need\E$} && -s } @logs), "$need has something");
}

like slurp($p->pg->log_file), qr/execute sign_in: select/, 'so did PostgreSQL';

my $proof = slurp("$p->{dir}/proof.log");
like $proof, qr/\Q$secret{token}/, 'the usual format would have told';

my @forbidden = (%secret, map { ("of a person: $_" => $people{$_}) } keys %people);
my @found;
for my $file (@logs) {
    my $text = slurp($file) // '';
    my %all = @forbidden;
    for my $name (sort keys %all) {
        # the mail server is told addresses
        next if $file =~ /smtpd\.log$/ && $name =~ /^of a person/;
        push @found, "$name in $file: " . ($text =~ /(.*\Q$all{$name}\E.*)/)[0]
            if index($text, $all{$name}) >= 0;
    }
}
is_deeply \@found, [], scalar(@logs) . ' logs, ' . scalar(@forbidden) / 2 . ' values: none in any'
    or diag join "\n", map { substr $_, 0, 600 } @found;


### nor the database, in the clear

$p->start_database;
open my $dump, '-|', Portal::Database::bin('pg_dump'), '--inserts',
    $p->pg->psql_args or die $!;
my $data = do { local $/; <$dump> };
close $dump;
cmp_ok length $data, '>', 100_000, 'the database, dumped';
like $data, qr/\Q$people{email}/, 'has what it should';
is_deeply [grep { $_ ne 'token' && index($data, $secret{$_}) >= 0 } sort keys %secret], [],
    'and no secret';
is index($data, $secret{token}), -1, 'nor the token';
$p->stop_database;

done_testing;
