#!/usr/bin/perl

# « À vérifier pour la rentrée »: a parent reads what the town holds and says that
# nothing has changed; what nobody has seen is never verified.  The days of the
# year are t/sql/verification.sql's.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal(jobs => 'purge=300ms');
my $PAGE = '/famille/verification';

my %who = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };
my ($camille, $julien) = map { my $c = client(); sign_in($c, $who{$_}); $c } qw(camille julien);
my %json = map { $_ => as_json($_) } $camille, $julien;
my ($admin) = agent_client(role => 'administrator');

sub row { return scalar $portal->psql($_[0]) }
sub child { return row("select id from portal.child where first_name = '$_[0]' and tenant = 1 order by id limit 1") }
my ($leo, $nina) = map { child($_) } qw(Léo Nina);
my ($me) = map { $_->[0] } $portal->psql("select g.id from portal.guardian g
    join portal.family f on f.id = g.family_id where f.number = '104201' and g.rank = 1");

# what is due: block => its section of the page, in JSON
sub due { return { map { $_->{block} => $_ } @{ $json{ $_[0] }->get($PAGE)->json->{blocks} } } }
sub sections { return join ' ', sort keys %{ ($_[0] // {})->{due} // {} } }
sub verified { return row("select count(*) from portal.verification where verified_on = portal.today()") }

# « Rien n'a changé » of a page, as its button sends it
sub nothing_changed {
    my ($c, $page, $block, %more) = @_;

    my ($version) = $page->content
        =~ /name="block" value="$block">\s*<input type="hidden" name="version" value="(\w+)"/;
    die "no button of $block\n" if !$version;

    return $c->submit($page, { block => $block, version => $version, %more }, form => $PAGE);
}

# the page with one block of it
sub shown { return $_[0]->get("$PAGE?bloc=$_[1]") }


### a page without scripts

my $r = $camille->get('/famille');
like $r->content, qr{href="$PAGE"}, 'the file leads there';
$r = $camille->get($PAGE);
is $r->status, 200, 'a page';
like $r->text, qr/À vérifier pour la rentrée.*l’année scolaire 20\d\d-20\d\d/s, 'for which year';
like $r->text, qr/Il reste 3 étapes, l’une après l’autre : Camille Martin Léo Martin Nina Martin Camille Martin Informations de base/, 'one after the other';
is scalar(() = $r->content =~ /name="block"/g), 1, 'one person is on the screen';
unlike $r->text, qr/Données sanitaires|Arachide/, 'and no other';
like $r->content, qr{<a href="$PAGE\?bloc=responsable-$me#responsable-$me" aria-current="true">}, 'the list says who';
is shown($camille, 'enfant-0')->form($PAGE)->{action}, "$PAGE?bloc=responsable-$me#erreurs", 'who is none: the first';
$r = shown($camille, "enfant-$leo");
like $r->text, qr/Léo Martin Informations générales Prénom Léo.*Lille.*Données sanitaires.*Dr Ndiaye.*Autorisations.*Accordée.*Contacts.*Fontaine/s,
    'with what the town holds, to be read there';
like $r->text, qr/J’autorise la mairie à photographier/, 'and what an authorisation allows';
like shown($camille, "enfant-$nina")->text, qr/Allergies Arachide/, 'sealed values are opened';
unlike $r->content, qr/bloc=responsable-(?!$me\b)/, 'the other parent, who has an account, is not asked for';
like $r->content, qr{href="/famille/enfants/$leo/sante"[^>]*>Modifier}, 'each section can be changed';
like $r->content, qr{<li class="sub spare"><a href="$PAGE" aria-current="page">}, 'the menu says where one is';

my $old = $r;
$r = nothing_changed($camille, $r, "enfant-$leo");
is $r->location, "$PAGE?avis=verified", 'one gesture for a child' or diag $r->text;
$r = $camille->get($r->location);
like $r->text, qr/C’est vérifié, merci/, 'and it says so';
unlike $r->content, qr/bloc=enfant-$leo\b/, 'it is asked no more';
like $r->content, qr/bloc=enfant-$nina\b/, 'the others are';
like $r->content, qr/name="block" value="responsable-$me"/, 'the next one is on the screen';
is verified(), 4, 'its four sections are';
is row("select string_agg(distinct action || ' ' || object || ' ' || object_id, ', ') from portal.audit
    where action = 'verify'"), "verify child $leo", 'the audit says what was done, no value';
is nothing_changed($camille, $old, "enfant-$leo")->location, "$PAGE?avis=verified", 'the button pressed twice is no mistake';
is verified(), 4, 'and verifies nothing more';

my $day = $camille->get("/famille/enfants/$leo");
is scalar(() = $day->text =~ /Vérifié le \d+/g), 4, 'each section of the file says when';
is $json{$julien}->get("/famille/enfants/$leo")->json->{sections}{child_health}{verified_on}, row('select portal.today()'),
    'to the other parent too';
is due($julien)->{"enfant-$leo"}, undef, 'whom it counts for';
like as_json($admin)->get('/familles/' . row("select id from portal.family where number = '104201'"))->content,
    qr/"verified"\s*:\s*\{.*"child_health"\s*:\s*\{"verified_on"/s, 'agents read it';
like $admin->get('/familles/' . row("select id from portal.family where number = '104201'"))->text, qr/Vérifié le \d+/, 'on their page too';
like $admin->get('/familles/' . row("select id from portal.family where number = '104201'"))->text, qr/Dossier mis à jour le \d+/, 'and when the file was';

# what the town asks for again is not as it should be, whoever has looked at it
$portal->psql("insert into portal.authorisation_text (tenant, code, lang, text, since, asks_again)
    select tenant, code, lang, text || ' (bis)', now(), true from portal.authorisation_text t
     where tenant = 1 and code = 'swimming' and lang = 'fr' order by id desc limit 1");
is sections(due($camille)->{"enfant-$leo"}), 'child_authorisations', 'but for what has to be answered again';
$portal->psql("set session_replication_role = replica; delete from portal.authorisation_text where text like '% (bis)'");
is due($camille)->{"enfant-$leo"}, undef, 'once that is answered it is not';


### what nobody has seen

{
    my $page = shown($camille, "enfant-$nina");
    my $mine = due($camille)->{"enfant-$nina"};
    $portal->psql("update portal.child set birth_place = 'Dunkerque' where id = $nina");

    $r = nothing_changed($camille, $page, "enfant-$nina");
    is $r->status, 409, 'another value came: nothing is verified';
    like $r->text, qr/Nina Martin : ces informations ont changé depuis que vous avez ouvert cette page/, 'in words, that say whose';
    like $page->form($PAGE)->{action}, qr/bloc=enfant-$nina#erreurs$/, 'which is where the reader is led';
    is scalar(() = $r->content =~ /name="block"/g) . ($r->content =~ /value="(enfant-\d+)"/)[0], "1enfant-$nina", 'with that child on the screen';
    like $r->text, qr/Dunkerque/, 'with the value of now';
    is verified(), 4, 'nothing is';

    my $j = $json{$camille};
    my $say = sub { json_post($j, $PAGE, { block => "enfant-$nina", @_ }) };
    $r = $say->(version => $mine->{version});
    is $r->status . $r->json->{errors}[0]{code}, '409verify_changed', 'JSON: the same';
    is $r->json->{title}, 'Rien n’a été enregistré', 'the problem is not one of a form that was sent before';
    like $r->json->{detail}, qr/^Nina Martin\s: ces informations ont changé/, 'and says why';
    is $say->()->status, 422, 'a program says what it has seen';
    my $fresh = due($camille)->{"enfant-$nina"}{version};
    is json_post($j, $PAGE, { block => "enfant-$nina", version => $fresh }, headers => { 'If-Match' => '"x"' })->status, 412, 'If-Match counts too';
    is json_post($j, $PAGE, { block => "enfant-" . child('Hugo'), version => $mine->{version} })->status, 404, 'of its own family';
    is json_post($json{$julien}, $PAGE, { block => "responsable-$me", version => $mine->{version} })->status, 404, 'that is the other parent\'s to say';
    is verified(), 4, 'nothing is verified by any of it';

    my $etag = $j->get($PAGE)->header('ETag');
    my %over = (headers => { 'If-Match' => $etag, 'Idempotency-Key' => '"nina-is-as-she-was"' });
    $r = json_post($j, $PAGE, { block => "enfant-$nina", version => $fresh }, %over);
    is json_post($j, $PAGE, { block => "responsable-$me", version => $fresh }, %over)->status, 422, 'one key is for one answer';
    is $r->status . ' ' . $r->json->{notice}, '200 verified', 'over the page as it is now' or diag $r->content;
    is verified(), 8, 'it is';
}


### what is missing

{
    $portal->psql("insert into portal.field_policy (tenant, section, field, policy, validation)
        values (1, 'guardian_basic', 'phone_home', 'required', 'agent')");
    my $block = due($camille)->{"responsable-$me"};
    is_deeply $block->{due}{guardian_basic}{lacks}, [{ field => 'phone_home' }], 'a required field that is empty is named';
    my $page = $camille->get($PAGE);
    like $page->text, qr/Il manque une information\..*Téléphone fixe\./s, 'in words';
    is nothing_changed($camille, $page, "responsable-$me")->status, 303, 'the rest can be verified';
    is sections(due($camille)->{"responsable-$me"}), 'guardian_basic', 'this stays';
    unlike $camille->get($PAGE)->content, qr/name="block"/, 'without a button';
    $block = due($camille)->{"responsable-$me"};
    $r = json_post($json{$camille}, $PAGE, { block => $block->{block}, version => $block->{version} });
    is $r->status . $r->json->{errors}[0]{code}, '422verify_lacks', 'nor by a program';

    $r = json_post($json{$camille}, "/famille/responsables/$me/base", { phone_home => '0320123456' });
    is $r->status, 200, 'filled in, and sent to the town' or diag $r->content;
    is_deeply [keys %{ due($camille) }], [], 'that is verified too';
    like $camille->get($PAGE)->text, qr/Tout est vérifié\. Il n’y a rien à faire/, 'and nothing is left';
}


### what the town sets

{
    my $page = $admin->get('/reglages/verification');
    like $page->text, qr/Jour d’ouverture.*Informations fiscales.*Chaque responsable doit-il vérifier/s, 'a page of settings';
    $r = $admin->submit($page, { opening_day => '31', opening_month => '06' });
    is $r->status, 422, 'a day that there is not';
    like $r->text, qr/Ce mois n’a que 30 jours/, 'in words';
    $r = $admin->submit($page, { opening_day => '15', opening_month => '05', verify_child_health => 'months_6',
        verify_guardian_tax => 'never', both_child_general => 'yes', verify_reminder => 'yes' });
    is $r->location, '/reglages/verification?avis=settings_saved', 'saved' or diag $r->text;
    is row("select year_opens || ' ' || (verify->>'child_health') || ' ' || (verify->>'guardian_tax') || ' ' || verify_both::text || ' ' || verify_reminder
        from portal.town where id = 1"), '05-15 months_6 never {child_general} true', 'so it is';
    is row("select verify::text || year_opens from portal.town where id = 2"), '{}07-01', 'another town keeps its own';
    like $admin->get('/reglages/verification')->content, qr/<option value="months_6" selected>Pendant 6\xc2\xa0mois/, 'and reads so';

    # Camille has, Julien has not
    is sections(due($julien)->{"enfant-$leo"}), 'child_general', 'what each parent has to verify is asked of the other';
    like $camille->get($PAGE)->text, qr/Léo – Informations générales : vous l’avez vérifié, un autre responsable doit encore le faire/, 'who has verified it reads so';
    my $stats = sub { [map { $_->{verified} } @{ as_json($admin)->get('/statistiques')->json->{verified}{rows} }] };
    is((join '+', grep { $_ } @{ $stats->() }), '', 'one parent of two: no child counts as verified');
    nothing_changed($julien, shown($julien, "enfant-$_"), "enfant-$_") for $leo, $nina;
    is((join '+', grep { $_ } @{ $stats->() }), '2', 'both: two of their school');
    like $admin->get('/statistiques')->text, qr/Dossiers vérifiés par école.*École Simone-Veil \d+ % 2 \d+/s, 'the page says so';
}


### the yearly mail

{
    $portal->psql("create or replace function portal.today() returns date language sql stable
        as 'select make_date(extract(year from now())::int + 1, 5, 20)'");
    my $told = sub { grep { $_->{subject} =~ /^Vérifiez votre dossier pour la rentrée/ }
        mails(to => $who{camille}{email}, wait => 0) };
    ok wait_for(patient(30), sub { $told->() }), 'a mail when the year opens';
    my ($mail) = $told->();
    like $mail->{text}, qr{\Q@{[ $portal->url ]}\E$PAGE\s}, 'with where to';
    like $mail->{text}, qr/ne voulez plus recevoir ce rappel/, 'and how to stop it';
    ok wait_for(patient(30), sub { row("select count(*) from portal.retention_run where kind = 'account_reminded'") }), 'the job notes it';

    $r = $camille->get($PAGE);
    like $r->text, qr/un message vous rappelle/, 'the page says that it comes';
    $r = $camille->submit($r, { reminders => 'no' }, form => "$PAGE/rappels");
    is $r->location, "$PAGE?avis=reminders_off", 'stopped';
    like $camille->get($r->location)->text, qr/Vous ne recevrez plus ce rappel.*Vous ne recevez pas de message/s, 'and said';
    is row("select reminders from portal.account where email = '$who{camille}{email}'"), 'f', 'so it is';
    is scalar(() = $told->()), 1, 'there was one';
}

like $camille->get('/mes-donnees')->text, qr/Informations que j’ai vérifiées Nina Martin – Informations générales|Informations que j’ai vérifiées .*Léo Martin – Contacts/s,
    '« Mes données » tells what one has verified';

done_testing;
