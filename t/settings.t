#!/usr/bin/perl

# « Réglages »: what administrators set, a page for each subject.  Each change
# counts with the next request, leaves one row of the audit and gives way to
# nobody's older page.

use strict;
use warnings;
use utf8;

use Portal::Declared qw(forms sections);
use Portal::Fault qw(as_json);
use Portal::Place qw(slurp);
use Portal::Test;

my $portal = portal(directives => { portal_webhooks => undef });
my $form = forms();

my ($admin) = agent_client(role => 'administrator');
my $desk = as_json($admin);
my $other = agent_client(json => 1, as => new_agent(role => 'administrator', name => 'Zoé Dupuis'));
my %page = (delais => 'delays', conservation => 'retention', sessions => 'sessions',
    contact => 'contact', textes => 'texts');

sub row { scalar $portal->psql($_[0]) }
sub town { row("select $_[0] from portal.town where slug = 'saint-aubin'") }

# the error codes of an answer, "field:code"
sub codes { join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }

# a program's change over the version that it has just read
sub change {
    my ($c, $path, %fields) = @_;

    return json_post($c, $path, { version => $c->get($path)->json->{version}, %fields });
}

# rows of the audit since the last call: "outcome names"
my $seen = row('select coalesce(max(id), 0) from portal.audit');
sub audited {
    my @rows = $portal->psql("select a.outcome, coalesce(array_to_string(a.names, ','), ''), a.id
        from portal.audit a where a.names is not null and a.id > $seen order by a.id");
    $seen = $rows[-1][2] if @rows;

    return join ' ', map { "$_->[0]($_->[1])" } @rows;
}


### who may

for my $role (qw(reader validator)) {
    my $c = agent_client($role eq 'reader' ? (as => new_agent(role => 'reader')) : ());
    unlike $c->get('/')->content, qr{href="/reglages"}, "a $role has no such menu";
    is $c->get($_)->status, 403, "nor the page $_" for '/reglages',
        '/reglages/responsables/base', '/reglages/enfants/sante', '/reglages/motifs', '/reglages/motifs/ajout', map { "/reglages/$_" } sort keys %page;
    my $j = as_json($c);
    is $j->post("/reglages/$_", { csrf => $j->get('/session')->json->{csrf}, version => 'x' })->status, 403,
        "$_: and changes nothing" for sort keys %page;
}
is client(json => 1)->get("/reglages/$_")->status, 404, "$_ is no page of families" for sort keys %page;


### a person, without scripts

my $r = $admin->get('/');
like $r->content, qr{href="/reglages"}, 'an administrator finds it in the menu';
$r = $admin->get('/reglages');
like $r->content, qr{href="/reglages/$_"}, "and $_ there" for sort keys %page;
like $r->content, qr{href="/reglages" aria-current="page"}, 'the menu says where one is';
{
    # each page of settings that nginx serves is listed, with a line, and nothing twice
    my %there = map { $_ => 1 } '/agents', '/durees', grep { !m{/(?:ajout|apercu|apercu\.css|logo)$} }
        map { m{^location = (/reglages/\S+)}mg } slurp('conf.d/portal/agents.inc');
    my @groups = @{ $desk->get('/reglages')->json->{groups} };
    my @pages = map { @{ $_->{pages} } } @groups;
    is_deeply [sort map { $_->{path} } @pages], [sort keys %there], 'all settings are there';
    is scalar(() = $r->content =~ m{<li><a href="[^"]+">[^<]+</a><span>[^<]{20,}</span></li>}g), scalar @pages, 'with a line each';
    for my $page (@pages) {
        my $p = $admin->get($page->{path});
        is $p->status, 200, "$page->{path} is a page";
        like $p->content, qr{href="/reglages" aria-current="page"}, 'of the settings';
        like $p->content, qr{<nav class="trail".*<a href="/reglages">}s, 'and leads back';
    }
    for my $role (qw(reader validator)) {
        my $c = agent_client($role eq 'reader' ? (as => new_agent(role => 'reader')) : ());
        unlike $c->get($_)->content, qr{href="(?:/reglages|/agents|/durees)}, "$role: nothing of it on $_" for '/', '/compte';
    }
    unlike $admin->get('/compte')->content, qr{href="(?:/agents|/durees)"}, 'one way there';
}

my $version = town('version');
$r = $admin->get('/reglages/delais');
like $r->text, qr/Délai de réponse, en jours.*Abonnements.*Place par famille/s, 'a page';
like $r->content, qr/id="validation_days"[^>]*value="10"/, 'with what holds';
$r = $admin->submit($r, { validation_days => '21', subscription_effect => 'immediate' });
is $r->location, '/reglages/delais?avis=settings_saved', 'saved' or diag $r->text;
$r = $admin->get($r->location);
like $r->text, qr/Les réglages sont enregistrés/, 'and says so';
like $r->content, qr/id="validation_days"[^>]*value="21"/, 'as it is now';
is town("validation_days || ' ' || subscription_effect"), '21 immediate', 'so it is';
cmp_ok town('version'), '>', $version, 'workers hear of it';
is audited(), 'delays(subscription_effect,validation_days)', 'one row of the audit, with the names';
is row("select count(*) from portal.audit where action = 'save_settings' and agent_id is not null
    and object = 'town' and object_id = tenant"), 1, 'and who it was';
is row("select validation_days from portal.town where slug = 'beaulieu'"), 10, 'another town keeps its own';

# no reload: what families are told
{
    my $parent = client();
    sign_in($parent, account('couple'));
    my ($me) = map { $_->[0] } $portal->psql("select g.id from portal.guardian g
        join portal.family f on f.id = g.family_id where f.number = '104201' and g.rank = 1");
    is as_json($parent)->get("/famille/responsables/$me/base")->json->{days}, 21, 'families are told at once';
    like $parent->get("/famille/responsables/$me/base")->text, qr/en 21 jours au plus/, 'in words';
    for (['1', qr/vérifiés par la mairie, en un jour au plus/], ['21', qr/en 21 jours au plus/]) {
        is $admin->submit($admin->get('/reglages/delais'), { validation_days => $_->[0] })->status, 303, "$_->[0] of them";
        like $parent->get("/famille/responsables/$me/base")->text, $_->[1], 'one day is no days';
        audited();
    }
}

$r = $admin->submit($admin->get('/reglages/delais'), { validation_days => '0', upload_space => 'beaucoup',
    uploads_waiting => '' });
is $r->status, 422, 'what is wrong is refused';
like $r->text, qr/Saisissez un nombre de 1 à 365\./, 'with what may be';
like $r->content, qr/id="upload_space-error"/, 'beside each field';
like $r->content, qr/id="upload_space"[^>]*value="beaucoup"/, 'and what was typed';
is town('validation_days'), 21, 'nothing is done';
is $admin->submit($admin->get('/reglages/delais'), {})->status, 422, 'nothing changed is told';
is audited(), '', 'none of it is a change';


### two administrators

{
    my $mine = $admin->get('/reglages/conservation');
    is change($other, '/reglages/conservation', keep_mail => 60, keep_token => 31)->status, 200, 'another is faster';
    audited();
    $r = $admin->submit($mine, { keep_mail => '90', keep_photo => '45' });
    is $r->status, 409, 'who comes second hears of it';
    like $r->text, qr/Une autre personne vient de changer ces réglages/, 'in words';
    like $r->content, qr/id="keep_mail"[^>]*value="90"/, 'and keeps what was typed';
    like $r->text, qr/Valeur d’aujourd’hui\s*:\s*60/, 'beside the value of now';
    like $r->content, qr/id="keep_token"[^>]*value="31"/, 'what was left alone is the other\'s';
    like $r->content, qr/id="keep_photo"[^>]*value="45"/, 'what only one has changed stays';
    is town('keep_mail'), 60, 'nothing is done';
    is audited(), '', 'nor noted';
    $r = $admin->submit($r, {});
    is $r->status, 303, 'once looked at it is saved' or diag $r->text;
    is town("keep_mail || ' ' || keep_photo || ' ' || keep_token"), '90 45 31', 'all of it';
    is audited(), 'retention(keep_mail,keep_photo)', 'and noted';

    my @two = map { [$_, $_->get('/reglages/sessions')->json] } $desk, $other;
    my @got = Portal::Pending->pages(map {
        my ($c, $doc) = @$_;
        $c->post('/reglages/sessions', { csrf => $doc->{csrf}, version => $doc->{version},
            session_limit => 5 + ($c == $desk) }, pending => 1);
    } @two);
    is join(' ', sort map { $_->status } @got), '200 409', 'of two at once one is told';
    is audited(), 'sessions(session_limit)', 'one change';
}


### a program

my $path = '/reglages/sessions';
my $doc = $desk->get($path);
is $doc->header('etag'), '"' . $doc->json->{version} . '"', 'the version is the ETag';
is_deeply [sort keys %{ $doc->json->{values} }], [sort keys %{ $form->{'reglages-sessions'}{fields} }], 'the settings';
my @now = ('If-Match' => $doc->header('etag'));
my %token = ('X-CSRF-Token' => $desk->get('/session')->json->{csrf});
is json_post($desk, $path, { session_minutes => 20 })->status, 428, 'a version is compulsory';
is $desk->post($path, { session_minutes => 20 }, headers => { %token, 'If-Match' => '"0"' })->status, 412, 'of now';
is codes(json_post($desk, $path, { session_minutes => 20, version => 'x' })), ':settings_changed', 'or of the page';
is $desk->post($path, { session_minutes => 20 }, headers => { %token, @now })->status, 200, 'one alone is changed';
is town("session_idle || ' ' || session_absolute"), '1200 43200', 'in seconds';
is audited(), 'sessions(session_minutes)', 'and noted';
is codes(change($desk, $path, session_hours => 1, session_minutes => 61)), 'session_hours:hours_short', 'they go together';
is codes(change($desk, $path, agent_hours => 1, agent_minutes => 90)), 'agent_hours:hours_short', 'of agents too';
is codes(change($desk, $path, slug => 'x', session_idle => 5)), 'session_idle:unknown_field slug:unknown_field',
    'nothing else is';
is town('session_idle'), 1200, 'nothing is done';

# what the database has in seconds that are no minutes stays so
$portal->psql("update portal.town set session_idle = 1150 where slug = 'saint-aubin'");
is $desk->get($path)->json->{values}{session_minutes}, 20, 'rounded up';
is change($desk, $path, session_minutes => 20, session_limit => 9)->status, 200, 'sent back as it came';
is town('session_idle'), 1150, 'it stays';
is audited(), 'sessions(session_limit)', 'and is no change';
is change($desk, $path, session_minutes => 25)->status, 200, 'minutes';
{
    my $parent = client();
    sign_in($parent, account('couple'));
    is as_json($parent)->get('/session')->json->{limits}{idle}, 1500, 'the next log-in has it';
}


### the bounds of each number are the table's

for my $name (sort keys %page) {
    my $fields = $form->{"reglages-$name"}{fields};
    for my $field (grep { $fields->{$_}{type} eq 'integer' } sort keys %$fields) {
        my ($min, $max) = @{ $fields->{$field} }{qw(min max)};
        my $was = $desk->get("/reglages/$name")->json->{values};
        # the hours hold the minutes
        my %with = $field =~ /^(\w+)_hours$/ ? ("$1_minutes" => 1)
            : $field =~ /^(\w+)_minutes$/ ? ("$1_hours" => 168) : ();

        is codes(change($desk, "/reglages/$name", $field => $_)), "$field:integer_range", "$field: not $_"
            for $min - 1, $max + 1;
        for my $value ($min, $max) {
            my $same = ($was->{$field} // '') eq $value;
            is change($desk, "/reglages/$name", %with, $field => $value)->status, $same ? 422 : 200, "$field: $value"
                if !$same;
        }
        change($desk, "/reglages/$name", $field => $was->{$field}, map { $_ => $was->{$_} } keys %with);
        is $desk->get("/reglages/$name")->json->{values}{$field}, $was->{$field}, "$field as it was";
    }
}
is change($desk, '/reglages/conservation', keep_document => 5)->status, 200, 'documents have a time of their own';
is change($desk, '/reglages/conservation', keep_document => undef)->status, 200, 'or none';
is town('keep_document is null'), 't', 'as long as the request';


### the fields of the file, a page for each section

{
    my $sections = sections();
    for my $section (sort keys %$sections) {
        my ($kind, $of) = $section =~ /^guardian/ ? ('responsables', 'responsable') : ('enfants', 'enfant');
        my $doc = $desk->get("/reglages/$kind/$sections->{$section}{path}")->json;
        # the town's own authorisations are there once it has added them
        my @of = grep { $_->{name} !~ /^own_\d+$/ } @{ $sections->{$section}{fields} };
        my @fields = map { $_->{name} } @of;
        is join(' ', map { $_->{field} } @{ $doc->{items} }), "@fields", "$section: its fields";
        is join(' ', grep { !$form->{"reglages-$of"}{fields}{$_} } @fields), '', 'which its form knows';
        is_deeply { map { $_->{field} => $_->{needed} ? 1 : 0 } @{ $doc->{items} } },
            { map { $_->{name} => $_->{policy} eq 'required' ? 1 : 0 } @of },
            'and what the file cannot be without';
        my @free = map { $_->{name} } grep { $_->{policy} ne 'required' } @of;
        is_deeply { map { $_ => $form->{"reglages-$of"}{fields}{$_}{options} } @free },
            { map { $_ => join ',', @{ $doc->{choices}{$_} } } @free }, 'the form has the choices that there are';
    }
    is $desk->get("/reglages/$_")->status, 404, "no section $_" for qw(responsables/sante enfants/base enfants/x);

    audited();
    my $base = '/reglages/responsables/base';
    my $r = $admin->get('/reglages');
    like $r->content, qr{href="$base".*href="/reglages/enfants/sante"}s, 'they are found';
    $r = $admin->get($base);
    like $r->text, qr/Nom\s+Indispensable/, 'what is needed says so';
    my ($select) = $r->content =~ m{(<select id="last_name".*?</select>)}s;
    is join(' ', $select =~ /value="(\w+)"/g), 'required_agent required_automatic', 'and offers no other choice';
    ($select) = $r->content =~ m{(<select id="employer".*?</select>)}s;
    is join(' ', $select =~ /value="(\w+)"/g), 'hidden shown editable_agent editable_automatic required_agent required_automatic',
        'others do';
    like $select, qr/value="editable_agent" selected>Modifiable, apr/, 'what holds is chosen';

    my $parent = client();
    sign_in($parent, account('couple'));
    my ($me) = map { $_->[0] } $portal->psql("select g.id from portal.guardian g
        join portal.family f on f.id = g.family_id where f.number = '104201' and g.rank = 1");
    my $page = sub { $parent->get("/famille/responsables/$me/base") };
    like $page->()->content, qr/name="employer"/, 'families have the field';
    my $version = town('version');
    $r = $admin->submit($r, { employer => 'hidden', profession => 'editable_automatic', phone_work => 'shown' });
    is $r->location, "$base?avis=settings_saved", 'decided' or diag $r->text;
    is audited(), 'guardian_basic(employer,phone_work,profession)', 'and noted';
    cmp_ok town('version'), '>', $version, 'the town has another version';
    unlike $page->()->content, qr/name="(?:employer|phone_work)"/, 'hidden at once, or shown alone';
    is as_json($parent)->get("/famille/responsables/$me/base")->json->{policy}{phone_work}, 'shown', 'as decided';
    is json_post(as_json($parent), "/famille/responsables/$me/base", { profession => 'Luthière' })->json->{notice},
        'change_done', 'and counts at once';
    is row("select count(*) from portal.field_policy where tenant = 2"), 0, 'nothing of it in another town';

    is codes(change($desk, $base, last_name => 'hidden')), 'last_name:choice', 'the file is not without a name';
    is codes(change($desk, $base, last_name => 'editable_agent', birth_name => 'shown')), 'last_name:choice',
        'nor is it left to choose';
    is row("select count(*) from portal.field_policy where field in ('last_name', 'birth_name')"), 0, 'nothing is half done';
    is codes(change($desk, $base, street => 'shown')), 'street:unknown_field', 'a field of another section';
    is codes(change($desk, $base, employer => 'hidden')), ':nothing_asked', 'as it is';
    is codes(change($desk, $base, employer => 'x')), 'employer:choice', 'nothing else';
    is json_post($desk, $base, { employer => 'shown' })->status, 428, 'over a version';
    is audited(), '', 'no change of all that';

    my $mine = $admin->get($base);
    is change($other, $base, employer => 'shown')->status, 200, 'another is faster';
    audited();
    $r = $admin->submit($mine, { employer => 'required_agent', title => 'shown' });
    is $r->status, 409, 'two administrators';
    like $r->content, qr{<select id="employer".*?value="required_agent" selected}s, 'what was chosen stays';
    like $r->text, qr/Valeur d’aujourd’hui\s*:\s*Affichée, sans modification/, 'beside what holds';
    is $admin->submit($r, {})->status, 303, 'sent again';
    is audited(), 'guardian_basic(employer,title)', 'it is done';

    # what the operator has decided may stay
    $portal->psql("insert into portal.field_policy (tenant, section, field, policy) values (1, 'guardian_basic', 'first_name', 'shown')");
    is change($desk, $base, first_name => 'required_automatic')->status, 200, 'and be taken back';
    is codes(change($desk, $base, first_name => 'shown')), 'first_name:choice', 'not the other way';
    $portal->psql('delete from portal.field_policy');
    audited();
}


### ready words

{
    $portal->psql("delete from portal.refusal");
    my $list = '/reglages/motifs';
    my $r = $admin->get($list);
    like $r->text, qr/Aucune réponse toute prête/, 'there are none yet';
    $r = $admin->get("$list/ajout");
    is $admin->submit($r, { text_fr => '', rank => '0', step => 'save' })->status, 422, 'words are needed';
    my $bad = $admin->submit($r, { text_fr => '', rank => '0' });
    like $bad->text, qr/Écrivez la réponse que la famille doit lire/, 'it says which';
    like $bad->content, qr/id="rank-error"/, 'along with the rest';
    $r = $admin->submit($r, { text_fr => 'Le justificatif est illisible.', refusal_kind => 'incomplete', rank => '3' });
    is $r->location, "$list?avis=settings_saved", 'added' or diag $r->text;
    my ($code) = map { $_->[0] } $portal->psql('select code from portal.refusal where tenant = 1');
    like $code, qr/^own_[a-z]{12}$/, 'it has a code';
    is audited(), "added($code,rank,refusal_kind,text_fr)", 'noted';
    like $admin->get($list)->text, qr/Le justificatif est illisible\..*Demander un complément/s, 'and listed';

    # an agent has it to choose at once
    my $parent = client();
    sign_in($parent, account('couple'));
    my ($me) = map { $_->[0] } $portal->psql("select g.id from portal.guardian g
        join portal.family f on f.id = g.family_id where f.number = '104201' and g.rank = 1");
    my ($id) = json_post(as_json($parent), "/famille/responsables/$me/base", { profession => 'Vitrière' })
        ->json->{location} =~ /(\d+)/;
    like $desk->get("/demandes/$id")->content, qr/"code" : "$code"/, 'agents choose it';

    my $path = "$list/$code";
    is change($desk, $path, text_en => 'The document cannot be read.')->status, 200, 'in English';
    is audited(), "changed($code,text_en)", 'noted';
    is row("select texts from portal.refusal where code = '$code'"),
        '{"en": "The document cannot be read.", "fr": "Le justificatif est illisible."}', 'both';
    is change($desk, $path, text_en => undef)->status, 200, 'or not';
    is codes(change($desk, $path, text_fr => undef)), 'text_fr:required', 'French is needed';
    is codes(change($desk, $path, rank => 3)), ':nothing_asked', 'as it is';
    is $desk->get("$list/nothing")->status, 404, 'no other';
    is json_post($desk, $path, { rank => 4 })->status, 428, 'over a version';
    is codes(json_post($desk, $path, { rank => 4, version => 'x' })), ':settings_changed', 'of now';
    audited();

    my $doc = $desk->get("/demandes/$id")->json;
    is json_post($desk, "/demandes/$id", { step => 'incomplete', reason_code => $code, version => $doc->{version} })->status,
        200, 'it is used';
    is change($desk, $path, text_fr => 'Le justificatif est coupé.')->status, 200, 'its words are changed';
    like $desk->get("/demandes/$id")->json->{request}{reason}{ready}, qr/illisible/, 'what was sent stays as it was sent';
    is change($desk, $path, text_fr => 'Le justificatif est illisible.')->status, 200, 'back';
    audited();
    like $admin->get($path)->text, qr/Cette réponse a déjà servi/, 'which the page says';
    unlike $admin->get($path)->content, qr/value="remove"/, 'with no button';
    is codes(change($desk, $path, step => 'remove')), ':refusal_used', 'it stays';
    is audited(), '', 'nothing is noted';

    is change($desk, "$list/ajout", text_fr => 'Autre.', refusal_kind => 'refused')->status, 200, 'a second one';
    my ($other) = map { $_->[0] } $portal->psql("select code from portal.refusal where code <> '$code'");
    is row("select rank from portal.refusal where code = '$other'"), 4, 'stands behind it';
    like $admin->get($list)->text, qr/Autre\..*illisible/s, 'refusals first';
    audited();
    $r = $admin->submit($admin->get("$list/$other"), { step => 'remove' });
    is $r->location, "$list?avis=refusal_removed", 'what nobody used is removed' or diag $r->text;
    is audited(), "removed($other)", 'noted';
    is row('select count(*) from portal.refusal'), 1, 'one is left';
    is $desk->get("$list/$other")->status, 404, 'it is gone';
}


### whom families reach, and what the town says

{
    my ($path, $visitor) = ('/reglages/contact', client());
    # a page that asks the database nothing says what its worker has heard of
    my $legal = sub {
        my ($wanted) = @_;
        my $page;
        wait_for(20, sub {
            client(source => '127.0.32.1')->get('/session');
            ($page = $visitor->get('/mentions-legales'))->content =~ $wanted;
        });
        return $page;
    };
    my $r = $admin->get($path);
    like $r->content, qr/id="phone"[^>]*value="03\x{c2}\x{a0}53/, 'the telephone as people write it';
    $r = $admin->submit($r, { phone => '03 20 11', email => 'enfance', office => '', mail_name => "Vi\x{202e}lle" });
    is $r->status, 422, 'refused';
    like $r->content, qr/id="$_-error"/, "$_: said beside it" for qw(phone email office mail_name);
    like $r->text, qr/Saisissez une adresse électronique comme nom\@exemple\.fr/, 'in words';
    is audited(), '', 'nothing is done';

    $r = $admin->submit($admin->get($path), { phone => '03 53 01 77 88', hours_en => 'Never on Mondays',
        mail_from => 'portail@saint-aubin.example', mail_name => 'Le portail, à Saint-Aubin', service => 'Portail des habitants' });
    is $r->location, "$path?avis=settings_saved", 'saved' or diag $r->text;
    is audited(), 'contact(hours_en,mail_from,mail_name,phone,service)', 'and noted';
    is town("phone || ' ' || (texts->'hours'->>'en') || ' ' || (texts->'office'->>'en')"),
        '+33353017788 Never on Mondays Children and education office', 'what was left alone stays';
    $r = $legal->(qr/Portail des habitants/);
    like $r->text, qr/03\s53\s01\s77\s88/, 'visitors read it at once';
    like $r->text, qr/Portail des habitants/, 'and its name';
    my $who = account('couple');
    $visitor->submit($visitor->get('/mot-de-passe/oubli'), { email => $who->{email} });
    my $mail = letter($who->{email}, 'reset');
    like $mail->{headers}{from}, qr/portail\@saint-aubin\.example/, 'mails come from there' or diag explain $mail->{headers};

    is codes(change($desk, $path, offered => 'fr')), '', 'French alone';
    is town('languages'), '{fr}', 'as it says';
    unlike $legal->(qr/^(?!.*English)/s)->content, qr/English/, 'there is no choice any more';
    is codes(change($desk, $path, offered => 'fr_en', hours_en => undef)), '', 'both again, and no hours in English';
    is town("texts ? 'hours'"), 'f', 'nothing is left of them';
    audited();

    ($path, my $said) = ('/reglages/textes', "Ville de Saint-Aubin.\n\nMairie, 1 place de la République.");
    $r = $admin->submit($admin->get($path), { publisher => $said, step => 'check' });
    is $r->status, 200, 'a preview' or diag $r->text;
    like $r->text, qr/Rien n’est encore enregistré.*Éditeur Ville de Saint-Aubin\..*Mairie/s, 'shows what would be read';
    my ($shown) = $r->content =~ m{(<section class="sheet prose".*?</section>)}s;
    unlike $shown, qr/publisher_en|Éditeur \(en anglais\)|<p class="said"><\/p>/, 'what is not said is not there';
    is town("texts ? 'publisher'"), 'f', 'nothing is saved';
    is audited(), '', 'nor noted';
    is $desk->post($path, { publisher => 'Vu deux fois', step => 'check' }, headers => { 'Idempotency-Key' => '"seen-twice"',
        'X-CSRF-Token' => $desk->get('/session')->json->{csrf} })->status, 200, 'a program may look twice under one key' for 1, 2;
    is $admin->submit($r, { step => 'save' })->status, 303, 'from there it is';
    is audited(), 'texts(publisher)', 'and noted';
    like $legal->(qr/Ville de Saint-Aubin\./)->content, qr{<p class="said">Ville de Saint-Aubin\.\n\nMairie, 1 place}, 'with its paragraphs';

    $portal->psql(q{update portal.town set texts = texts || '{"dpo": "Notre DPO", "host": {"fr": "Un", "en": "One", "br": "Unan"}}' where id = 1});
    is_deeply [@{ $desk->get($path)->json->{values} }{qw(dpo dpo_en host host_en)}], ['Notre DPO', undef, 'Un', 'One'],
        'a plain text is the French one';
    is change($desk, $path, dpo_en => 'Our DPO', host => 'Deux', director => undef, director_en => undef)->status, 200, 'in English too';
    is town("texts->>'dpo'"), '{"en": "Our DPO", "fr": "Notre DPO"}', 'both';
    is town("texts->>'host'"), '{"br": "Unan", "en": "One", "fr": "Deux"}', 'other languages stay';
    is town("texts ? 'director'"), 'f', 'what has no words goes';
    is audited(), 'texts(director,director_en,dpo_en,host)', 'all of it noted';
    is change($desk, $path, publisher => '<b>Ville</b> {{town.slug}}')->status, 200, 'a text is text';
    like $legal->(qr/&lt;b/)->content, qr/&lt;b&gt;Ville&lt;\/b&gt; \{\{town\.slug\}\}/, 'and nothing else';
    audited();
}


### a server that tells the town's software nothing says so, and takes no address that could not be told

like $admin->get('/reglages/logiciel')->text, qr/Ce serveur n’envoie aucun message/, 'a server that sends nothing says so';
is $desk->get('/reglages/logiciel')->json->{sends}, JSON::PP::false, 'to a program, too';
for my $host (qw(localhost LOCALHOST:8443 logiciel logiciel.local 127.0.0.1 10.1.2.3)) {
    is codes(json_post($desk, '/reglages/logiciel', { url => "https://$host/", webhook_events => 'both' })), 'url:url_private',
        "without networks of the town's own nothing goes to $host";
}
$r = json_post($desk, '/reglages/logiciel', { url => 'https://logiciel.example/', webhook_events => 'both' });
is $r->status, 200, 'an address can be prepared';
is $r->json->{sends}, JSON::PP::false, 'and is not told';
like $admin->get('/reglages/logiciel/' . $r->json->{webhook}{id})->text, qr/Ce serveur n’envoie aucun message/, 'as its page says';


### the audit

is row("select portal.audit_chain()->>'status'"), 200, 'is chained';
is row("select portal.audit_verify()->>'status'"), 200, 'and whole';
is row("select count(*) from portal.audit where names is not null and chain is null"), 0, 'with its names';
$portal->psql("set session_replication_role = replica;
    update portal.audit set names = '{keep_audit}' where id = (select max(id) from portal.audit where names is not null)");
is row("select portal.audit_verify()->>'status'"), 409, 'another name is seen';

done_testing;
