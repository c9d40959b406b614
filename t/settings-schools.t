#!/usr/bin/perl

# « Écoles et classes »: administrators list the town's schools; families choose
# among them; a school that is called otherwise now stays the same for the file
# and for imports; a closed one keeps its children.

use strict;
use warnings;
use utf8;

use Encode qw(decode encode);
use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal();
my ($admin) = agent_client(role => 'administrator');
my $desk = as_json($admin);
my $other = agent_client(json => 1, as => new_agent(role => 'administrator', name => 'Zoé Dupuis'));
my $list = '/reglages/ecoles';

sub row { my $v = $portal->psql(encode('UTF-8', $_[0])); return defined $v ? decode('UTF-8', $v) : undef }
sub codes { join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }
sub change {
    my ($c, $path, %fields) = @_;

    return json_post($c, $path, { version => $c->get($path)->json->{version}, %fields });
}
sub school { (grep { $_->{name} eq $_[0] } @{ $desk->get($list)->json->{schools} })[0] }


### who may

for my $role (qw(reader validator)) {
    my $c = agent_client($role eq 'reader' ? (as => new_agent(role => 'reader')) : ());
    is $c->get($_)->status, 403, "$role: not $_" for $list, "$list/ajout", "$list/1";
    my $j = as_json($c);
    is $j->post($_, { csrf => $j->get('/session')->json->{csrf} })->status, 403, "nor changes $_"
        for $list, "$list/ajout", "$list/1";
}
is client(json => 1)->get($list)->status, 404, 'no page of families';


### a town without a list, and a family

my $parent = client();
sign_in($parent, account('couple'));
my $jp = as_json($parent);
my ($child) = map { $_->{id} } grep { $_->{school} && $_->{school}{class} } @{ $jp->get('/famille')->json->{children} };
my $page = "/famille/enfants/$child";
my $form = "$page/generales";
my $now = $jp->get($page)->json->{child}{school};
$portal->psql("insert into portal.field_policy (tenant, section, field, policy) values (1, 'child_general', 'school_name', 'editable')");
like $parent->get($form)->content, qr/<input id="school_name"[^>]*type="text"/, 'any school can be written';
is_deeply $jp->get($form)->json->{schools}, [], 'none is offered';

my $r = $admin->get('/reglages');
like $r->content, qr/href="$list"/, 'it is found';
$r = $admin->get($list);
like $r->text, qr/Aucune école n’est dans la liste.*\Q$now->{name}\E \(enfants : \d+\)/s, 'schools of the file, in no list';
$r = $admin->submit($r, {}, form => "$list#");
is $r->location, "$list?avis=settings_saved", 'all of them are taken' or diag $r->text;
my $mine = school($now->{name});
is $mine->{children}, row("select count(*) from portal.schooling where tenant = 1 and name = '$now->{name}' and year = portal.school_year()"),
    'with their children';
cmp_ok $mine->{classes}, '>', 1, 'and classes';
is_deeply $desk->get($list)->json->{unlisted}, [], 'nothing is left';
is codes(json_post($desk, $list, {})), ':nothing_asked', 'nor to be taken again';
is row('select count(*) from portal.school where tenant = 2'), 0, 'another town has none';


### families choose

is change($desk, "$list/ajout", name => 'École du Nord')->status, 200, 'another school';

$r = $parent->get($form);
my ($select) = $r->content =~ m{(<select id="school_name".*?</select>)}s;
like $select // '', qr{<option value="\Q@{[encode('UTF-8', $now->{name})]}\E" selected>}, 'the child\'s school is chosen';
is scalar(() = ($select // '') =~ /<option/g), 3, 'among the town\'s, or none';
like $r->content, qr/<input id="school_class"/, 'one of them has no classes: any can be written';
my $north = school('École du Nord')->{id};
is change($desk, "$list/$north", classes => 'Petite section')->status, 200, 'now it has';
like $parent->get($form)->text, qr/Petite section – École du Nord/, 'a class with its school';
my ($elsewhere) = map { $_->{name} } grep { $_->{name} ne $now->{name} } @{ $desk->get($list)->json->{schools} };
is codes(json_post($jp, $form, { school_name => 'Ailleurs' })), 'school_name:school_offered', 'no other school';
is codes(json_post($jp, $form, { school_class => 'Classe de M. Personne' })), 'school_class:class_offered', 'nor another class';
is codes(json_post($jp, $form, { school_class => 'Petite section' })), 'school_class:class_offered', 'nor one of another school';
$r = $parent->submit($parent->get($form), { school_name => $elsewhere, step => 'send' });
is $r->status, 422, 'who changes school changes class';
like $r->text, qr/Cette classe n’est pas de cette école/, 'which is said beside it';


### added, renamed, with its classes

$r = $admin->submit($admin->get("$list/ajout"), { name => '' });
is $r->status, 422, 'a name is needed';
$r = $admin->submit($admin->get("$list/ajout"), { name => 'École du Port', classes => "CP A\r\nCP B\r\n\r\nCP A" });
is $r->location, "$list?avis=settings_saved", 'a new school' or diag $r->text;
my $port = school('École du Port');
is $port->{classes}, 2, 'its classes, none twice';
is $desk->get("$list/$port->{id}")->json->{values}{classes}, "CP A\nCP B", 'in their order';
is codes(change($desk, "$list/ajout", name => $now->{name})), 'name:school_taken', 'a name leads to one school';
is codes(change($desk, "$list/ajout", name => 'École Neuve', others => "Autre\n$now->{name}")), 'others:school_taken', 'so do other names';
for my $spelling ('ecole du port', 'ÉCOLE  DU PORT', 'École-du-Port', 'Du Port', "E\x{301}cole du Port.") {
    is codes(change($desk, "$list/ajout", name => $spelling)), 'name:school_taken', "another spelling: $spelling";
    is codes(change($desk, "$list/ajout", name => 'École Neuve', others => $spelling)), 'others:school_taken', 'nor as another name';
}
$r = $admin->submit($admin->get("$list/ajout"), { name => 'ecole du port' });
like $r->text, qr/C’est un nom de « École du Port », qui est déjà dans la liste/, 'the one that is there is named';
is codes(change($desk, "$list/$port->{id}", others => "ecole du port\nÉcole Port")), '', 'its own spellings are its own';
is codes(change($desk, "$list/ajout", name => 'École du Portail')), '', 'another school is another';
is codes(change($desk, "$list/$port->{id}", others => '')), '', 'they can be taken away';
is codes(change($desk, "$list/$port->{id}", classes => 'x' x 61)), 'classes:class_long', 'a class has a short name';
is codes(change($desk, "$list/$port->{id}", classes => "CP B\nCP A")), '', 'another order';
is $desk->get("$list/$port->{id}")->json->{values}{classes}, "CP B\nCP A", 'as it was sent';
is row("select outcome || ' ' || array_to_string(names, ',') from portal.audit where action = 'save_school' order by id desc limit 1"),
    'changed classes', 'noted with the names';

my $version = row("select version from portal.town where id = 1");
$r = $admin->submit($admin->get("$list/$mine->{id}"), { name => 'École Rosa-Bonheur' });
is $r->location, "$list?avis=settings_saved", 'renamed' or diag $r->text;
cmp_ok row("select version from portal.town where id = 1"), '>', $version, 'documents of before count no more';
is $jp->get($page)->json->{child}{school}{name}, 'École Rosa-Bonheur', 'families read the new name';
like $parent->get($form)->content, qr/Rosa-Bonheur" selected/, 'and the form';
is row("select name from portal.schooling where child_id = $child and year = portal.school_year()"), $now->{name}, 'the file is as it was';
is $desk->get("$list/$mine->{id}")->json->{values}{others}, $now->{name}, 'the former name still leads there';
is $desk->get("$list/$mine->{id}")->json->{children}, $mine->{children}, 'with all its children';
like $admin->get('/codes')->content, qr/Rosa-Bonheur/, 'letters are for the school of now';

# an import says what it has always said
is row("with s as (select set_config('portal.tenant', '1', true) t)
    select portal.school_named('$now->{name}') from s"), 'École Rosa-Bonheur', 'the software\'s name leads to the school of now';
is row("with s as (select set_config('portal.tenant', '1', true) t), c as (select c.external_id as x, s.* from portal.child c
    join portal.schooling s on s.child_id = c.id and s.year = portal.school_year() where c.id = $child)
    select portal.import_schooling(1, jsonb_build_object('key', c.x, 'values', jsonb_build_object('school_name', c.name,
    'school_class', c.class)))->>'outcome' from c, s"), 'unchanged', 'and an import by it changes nothing';


### closed

$r = $admin->submit($admin->get("$list/$mine->{id}"), { opening => 'closed' });
is $r->location, "$list?avis=settings_saved", 'closed' or diag $r->text;
like $admin->get($list)->text, qr/École Rosa-Bonheur Fermée/, 'which the list says';
is $jp->get($page)->json->{child}{school}{name}, 'École Rosa-Bonheur', 'who is there stays';
is_deeply [map { $_->{code} } grep { $_->{code} =~ /Rosa/ } @{ $jp->get($form)->json->{schools} }], ['École Rosa-Bonheur'], 'and may';
my $with = json_post($jp, $form, { birth_place => 'Roubaix' });
is $with->status, 200, 'something else can be asked' or diag explain $with->json;
my $sep = client();
sign_in($sep, account(qr/separated/));
my $sophie = as_json($sep);
my ($their) = map { $_->{id} } grep { ($_->{school}{name} // '') ne 'École Rosa-Bonheur' } @{ $sophie->get('/famille')->json->{children} };
SKIP: {
    skip 'no child of another school', 2 if !$their;
    ok !(grep { $_->{code} =~ /Rosa/ } @{ $sophie->get("/famille/enfants/$their/generales")->json->{schools} }), 'others are not offered it';
    is codes(json_post($sophie, "/famille/enfants/$their/generales", { school_name => 'École Rosa-Bonheur' })), 'school_name:school_offered',
        'nor can they choose it';
}
is change($desk, "$list/$mine->{id}", opening => 'open')->status, 200, 'it can open again';


### two administrators

my $path = "$list/$port->{id}";
is $desk->get($path)->header('etag'), '"' . $desk->get($path)->json->{version} . '"', 'the version is the ETag';
is json_post($desk, $path, { rank => 9 })->status, 428, 'a version is compulsory';
is codes(change($desk, $path, rank => $port->{rank})), ':nothing_asked', 'as it is';
is $desk->get("$list/999999")->status, 404, 'no such school';
my $open = $admin->get($path);
is change($other, $path, rank => 7)->status, 200, 'another is faster';
$r = $admin->submit($open, { name => 'École du Vieux-Port' });
is $r->status, 409, 'who comes second hears of it';
is $admin->submit($r, {})->status, 303, 'and saves once it is looked at';

# what is chosen comes into the file
{
    my $asked = json_post($jp, $form, { school_name => 'École du Nord', school_class => 'Petite section' });
    my ($id) = ($asked->json->{location} // '') =~ m{/demandes/([0-9-]+)};
    ok $id, 'a school of the list is asked for' or diag explain $asked->json;
    my $agent = agent_client(json => 1);
    is json_post($agent, "/demandes/$id", { step => 'accept', version => $agent->get("/demandes/$id")->json->{version} })->status,
        200, 'and accepted';
    is row("select name || ', ' || class from portal.schooling where child_id = $child and year = portal.school_year()"),
        'École du Nord, Petite section', 'into the file';
}

# it goes along with the town
is row("select count(*) from portal.export_town('saint-aubin') x where x->>'table' = 'school'"),
    scalar @{ $desk->get($list)->json->{schools} }, 'an export has them';

### spellings of the file

$portal->psql("update portal.schooling s set name = case x.n % 3 when 0 then 'ecole victor hugo' when 1 then 'École Victor-Hugo' else 'du port' end
      from (select child_id, row_number() over (order by child_id) as n from portal.schooling where tenant = 1 and year = portal.school_year()
             order by child_id limit 12) x
     where s.tenant = 1 and s.year = portal.school_year() and s.child_id = x.child_id");
$portal->psql("update portal.schooling s set name = 'École Victor-Hugo' where s.tenant = 1 and s.year = portal.school_year() and name = 'ecole victor hugo'
     and child_id = (select max(child_id) from portal.schooling where name = 'ecole victor hugo')");
my %unlisted = map { $_->{name} => $_->{listed} } @{ $desk->get($list)->json->{unlisted} };
is $unlisted{'du port'}, 'École du Vieux-Port', 'another spelling of a listed school is said to be one';
ok exists $unlisted{'ecole victor hugo'} && !defined $unlisted{'ecole victor hugo'}, 'a new school is not';
like $admin->get($list)->text, qr/du port \(enfants : \d+\) – autre écriture d’une école de la liste : « École du Vieux-Port »/, 'on the page, too';
my $n = @{ $desk->get($list)->json->{schools} };
is json_post($desk, $list, {})->status, 200, 'all are taken';
is scalar @{ $desk->get($list)->json->{schools} }, $n + 1, 'two spellings are one school';
my $hugo = school('École Victor-Hugo');
ok $hugo, 'called as most children\'s is';
is $desk->get("$list/$hugo->{id}")->json->{values}{others}, 'ecole victor hugo', 'the other leads there';
like $desk->get("$list/$port->{id}")->json->{values}{others} // '', qr/^du port$/m, 'and so does that of a listed one';
is_deeply $desk->get($list)->json->{unlisted}, [], 'nothing is left';

done_testing;
